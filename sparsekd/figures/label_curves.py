"""Student quality against label budget, or against label noise."""

from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sparsekd.catalog import methods
from sparsekd.figures.theme import (
    LIGHT,
    Theme,
    apply_theme,
    level_line,
    metric_title,
    panels,
)
from sparsekd.studies.study_metric import Level

STYLES = (
    *("dense", "none", "untrained", "shuffled", "labelled_texts", "pseudo_labels"),
    *("label_smoothing", "tfidf", "scores", "random"),
)
"""Kinds with a colour of their own first: those that are shown most."""
WIDTH = 0.012  # of the axis, between the points of two lines


def label_curves(
    table: pd.DataFrame,
    teachers: pd.DataFrame,
    metric: str,
    split: str = "",
    theme: Theme = LIGHT,
    level: Level | None = None,
) -> go.Figure:
    """Draw a line per method and kind of teacher: means with intervals, and every seed as a point.

    The x axis is the number of labels, logarithmic, with a panel for each label noise; or the
    noise, where there is one number of labels. The teacher is a dashed line.

    Args:
        table: The frame of `LabelStudy.table`.
        teachers: That of `LabelStudy.teachers`.
        level: The majority baseline, a dotted line.
    """
    by_noise = table["labels"].nunique() == 1 and table["noise"].nunique() > 1
    noises = [None] if by_noise else sorted(table["noise"].unique())
    heads = [_head(metric, split, noise) for noise in noises]
    figure = panels(heads, [1.0] * len(noises), 0.14, shared=False)
    names = list(dict.fromkeys(zip(table["method"], table["kind"], strict=True)))
    several = table["method"].nunique() > 1
    for row, noise in enumerate(noises, start=1):
        at = table if noise is None else table[table["noise"] == noise]
        own = teachers if noise is None else teachers[teachers["noise"] == noise]
        place = _places(at, by_noise)
        for number, (method, kind) in enumerate(names):
            rows = at[(at["method"] == method) & (at["kind"] == kind)]
            if len(rows):
                title = str(rows["what"].iloc[0])
                title = f"{title}, {methods.title(method)}" if several else title
                shift = WIDTH * (number - (len(names) - 1) / 2)
                style = number if several else _style(kind)
                _draw(figure, rows, place, shift, title, style, row, by_noise, theme)
        _teacher(figure, own, place, row, by_noise, theme)
        if level is not None:
            ends = [min(place.values()), max(place.values())]
            figure.add_trace(level_line(ends, level, theme, row == 1), row, 1)
        _axis(figure, at, place, row, by_noise)
    apply_theme(figure, theme, 160 + 360 * len(noises))
    figure.update_yaxes(nticks=6, title_text=metric_title(metric))
    return figure


def _style(kind: str) -> int:
    """Return the number of a kind's line: the same in every figure."""
    return STYLES.index(kind) if kind in STYLES else len(STYLES)


def _head(metric: str, split: str, noise: float | None) -> str:
    words = f"{metric_title(metric, split)}: mean and 95% interval, each seed a point"
    return f"{words} ({100 * noise:g}% label noise)" if noise else words


def _places(rows: pd.DataFrame, by_noise: bool) -> dict[float, float]:
    """Return the x position of each label budget or noise; a logarithm of the budgets."""
    if by_noise:
        return {float(noise): float(noise) for noise in sorted(rows["noise"].unique())}
    known = rows.groupby("labels")["known"].max()
    finite = [float(value) for value in known if np.isfinite(value)]
    most = max(finite, default=1.0)
    return {
        float(labels): float(np.log10(count if np.isfinite(count) else 2 * most))
        for labels, count in zip(known.index, known, strict=True)
    }


def _draw(
    figure: go.Figure,
    rows: pd.DataFrame,
    place: dict[float, float],
    shift: float,
    title: str,
    style: int,
    row: int,
    by_noise: bool,
    theme: Theme,
) -> None:
    rows = rows.sort_values("noise" if by_noise else "labels")
    span = max(place.values()) - min(place.values()) or 1.0
    x = [place[float(v)] + shift * span for v in rows["noise" if by_noise else "labels"]]
    line = theme.line(style)
    figure.add_trace(
        go.Scatter(
            x=x,
            y=rows["mean"],
            mode="lines+markers",
            name=escape(title),
            legendgroup=title,
            showlegend=row == 1,
            line=line,
            marker=theme.marker(style),
            error_y={
                "array": rows["high"] - rows["mean"],
                "arrayminus": rows["mean"] - rows["low"],
                "thickness": 1,
                "width": 2,
                "color": line["color"],
            },
            customdata=[_words(each) for each in rows.to_dict("records")],
            hovertemplate=f"{escape(title)}<br>%{{customdata}}<extra></extra>",
        ),
        row,
        1,
    )
    seeds = [(where, value) for where, own in zip(x, rows["values"], strict=True) for value in own]
    figure.add_trace(
        go.Scatter(
            x=[where for where, _ in seeds],
            y=[value for _, value in seeds],
            mode="markers",
            hoverinfo="skip",
            legendgroup=title,
            showlegend=False,
            marker=theme.marker(style) | {"size": 4, "opacity": 0.55},
        ),
        row,
        1,
    )


def _words(row: dict[Any, Any]) -> str:
    return f"{row['mean']:.4g}, {row['seeds']} seeds"


def _teacher(
    figure: go.Figure,
    teachers: pd.DataFrame,
    place: dict[float, float],
    row: int,
    by_noise: bool,
    theme: Theme,
) -> None:
    column = "noise" if by_noise else "labels"
    known = teachers.dropna(subset=["value"]).sort_values(column)
    known = known[known[column].isin(list(place))]
    figure.add_trace(
        go.Scatter(
            x=[place[float(value)] for value in known[column]],
            y=known["value"],
            mode="lines",
            name="teacher",
            legendgroup="teacher",
            showlegend=row == 1,
            line={"color": theme.ink, "dash": "dash", "width": 1.5},
            hovertemplate="teacher<br>%{y:.4g}<extra></extra>",
        ),
        row,
        1,
    )


def _axis(
    figure: go.Figure, rows: pd.DataFrame, place: dict[float, float], row: int, by_noise: bool
) -> None:
    known = dict(zip(rows["labels"], rows["known"], strict=True))
    words = [
        f"{100 * value:g}" if by_noise else _budget(value, known.get(value, np.nan))
        for value in place
    ]
    title = "Label noise, %" if by_noise else "Gold labels of the students, logarithmic"
    figure.update_xaxes(
        tickvals=list(place.values()), ticktext=words, title_text=title, row=row, col=1
    )


def _budget(labels: float, known: float) -> str:
    if np.isfinite(labels):
        return f"{labels:,.0f}"
    return f"all {known:,.0f}" if np.isfinite(known) else "all"


def label_curves_in_words(table: pd.DataFrame, metric: str, split: str = "") -> str:
    """Return the alternative text: the mean of every student at every budget and noise."""
    parts = []
    for (method, what), rows in table.groupby(["method", "what"], sort=False):
        means = ", ".join(
            f"{row['mean']:.3f} at {_budget(row['labels'], row['known'])} labels"
            + (f" and {100 * row['noise']:g}% noise" if row["noise"] else "")
            for row in rows.to_dict("records")
        )
        parts.append(f"{what} ({methods.title(str(method))}): {means}")
    head = f"{metric_title(metric, split)} of students against their gold labels."
    return f"{head} {'; '.join(parts) if parts else 'Nothing is finished'}."
