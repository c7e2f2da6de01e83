"""The Pareto front: quality against size and against measured speed."""

from html import escape

import pandas as pd
import plotly.graph_objects as go

from sparsekd.figures.theme import (
    LIGHT,
    Theme,
    apply_theme,
    level_line,
    metric_title,
    panels,
)
from sparsekd.studies.study_metric import Level
from sparsekd.tasks import metrics

KINDS = {"teacher": "star", "sparse teacher": "diamond", "student": "circle"}
WIDE = 8  # times the least: sizes that differ by more are on a logarithmic axis
SIDES = {
    "parameters": ("size", "Parameters", "fewer = smaller"),
    "latency_ms": ("measured time per pass", "Milliseconds, measured", "fewer = faster"),
}
UNMEASURED = "Latency is not measured yet."


def pareto(
    front: pd.DataFrame,
    metric: str,
    split: str = "",
    theme: Theme = LIGHT,
    level: Level | None = None,
) -> go.Figure:
    """Draw quality against parameters and, where it was measured, against latency.

    The front is a stepped line through the models that no other one dominates; they are ringed.

    Args:
        front: The frame of `sweep_results.front`.
        level: The majority baseline, a dotted line.
    """
    sides = [side for side in SIDES if side == "parameters" or front[side].notna().any()]
    titles = [f"{metric_title(metric, split)} against {SIDES[side][0]}" for side in sides]
    figure = panels(titles, [1.0] * len(sides), 0.2, shared=False)
    for row, side in enumerate(sides, start=1):
        known = front.dropna(subset=[side, "quality"])
        for place, kind in enumerate(dict.fromkeys([*KINDS, *known["kind"]])):
            _points(figure, known[known["kind"] == kind], side, row, place, theme)
        _line(figure, pareto_front(known, side, metric), side, row, theme)
        if level is not None and len(known):
            ends = [float(known[side].min()), float(known[side].max())]
            figure.add_trace(level_line(ends, level, theme, row == 1), row, 1)
        wide = len(known) and known[side].max() > WIDE * known[side].min()
        words = f"{SIDES[side][1]} ({SIDES[side][2]}{', logarithmic' if wide else ''})"
        if len(sides) == 1:
            words += f"<br><span style='color:{theme.faint}'>{UNMEASURED}</span>"
        figure.update_xaxes(
            title_text=words, type="log" if wide else "linear", row=row, col=1, tickformat="~s"
        )
    apply_theme(figure, theme, 120 + 300 * len(sides))
    figure.update_yaxes(nticks=6, title_text=metric_title(metric))
    return figure


def pareto_front(rows: pd.DataFrame, side: str, metric: str) -> pd.DataFrame:
    """Return the models that are better than every smaller (or faster) one, smallest first."""
    worth = -rows["quality"] if metrics.lower_is_better(metric) else rows["quality"]
    ordered = rows.assign(worth=worth).sort_values([side, "worth"], ascending=[True, False])
    best_before = ordered["worth"].cummax().shift(fill_value=float("-inf"))
    return ordered[ordered["worth"] > best_before].drop(columns="worth")


def _points(
    figure: go.Figure, rows: pd.DataFrame, side: str, row: int, place: int, theme: Theme
) -> None:
    if rows.empty:
        return
    kind = str(rows["kind"].iloc[0])
    marker = theme.marker(place) | {"symbol": KINDS.get(kind, "square"), "size": 9, "opacity": 0.8}
    figure.add_trace(
        go.Scatter(
            x=rows[side],
            y=rows["quality"],
            mode="markers",
            name=escape(kind),
            legendgroup=kind,
            showlegend=row == 1,
            marker=marker,
            text=rows["what"].astype(str).map(escape),
            hovertemplate="%{text}<br>%{y:.4f}, " + f"%{{x:,}} {_unit(side)}<extra></extra>",
        ),
        row,
        1,
    )


def _line(figure: go.Figure, rows: pd.DataFrame, side: str, row: int, theme: Theme) -> None:
    figure.add_trace(
        go.Scatter(
            x=rows[side],
            y=rows["quality"],
            mode="lines+markers",
            name="Pareto front",
            legendgroup="front",
            showlegend=row == 1,
            hoverinfo="skip",
            line={"color": theme.ink, "width": 1.5, "dash": "dash", "shape": "hv"},
            marker={
                "symbol": "circle-open",
                "size": 16,
                "color": theme.ink,
                "line": {"width": 1.5},
            },
        ),
        row,
        1,
    )


def _unit(side: str) -> str:
    return "parameters" if side == "parameters" else "ms"


def pareto_in_words(front: pd.DataFrame, metric: str, split: str = "") -> str:
    """Return the alternative text: the models on the front."""
    known = front.dropna(subset=["parameters", "quality"])
    best = pareto_front(known, "parameters", metric)
    named = "; ".join(
        f"{row['what']} {row['quality']:.3f} with {row['parameters']:,.0f} parameters"
        for row in best.to_dict("records")
    )
    head = f"{metric_title(metric, split)} of {len(known)} models against their size."
    return f"{head} On the Pareto front: {named or 'nothing is finished'}."
