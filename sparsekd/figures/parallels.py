"""Parallel coordinates: each student over λ, sparsity, seed, selection and reported quality."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sparsekd.figures.theme import LIGHT, Theme, apply_theme, metric_title, wrap
from sparsekd.tasks import metrics

FIFTH = 0.2  # the best and the worst fifth are drawn in front
NAMES = {"lam": "λ", "sparsity": "sparsity %", "seed": "seed"}
COLUMNS = ("run", "ranking", "lam", "sparsity", "attempt", "seed", "selection", "reported")
DENSE = "dense"


def wide(
    students: pd.DataFrame, split: str, metric: str, method: str = "", selection_metric: str = ""
) -> pd.DataFrame:
    """Return one row per finished student of the grid: its cell, and its value on both splits.

    Columns: run, ranking, lam (NaN for students of the dense teacher), sparsity, attempt, seed,
    selection, reported.

    Args:
        students: The frame of `sweep_results.students`.
    """
    rows = students[students["ranking"].isin(["scores", "dense"]) & students["value"].notna()]
    wanted = method or (rows["method"].iloc[0] if len(rows) else "")
    rows = rows[rows["method"] == wanted]
    values = {}
    pairs = {"selection": ("selection", selection_metric or metric), "reported": (split, metric)}
    for name, (part, measure) in pairs.items():
        own = rows[(rows["split"] == part) & (rows["metric"] == measure)]
        values[name] = own.drop_duplicates("run").set_index("run")["value"]
    places = rows.drop_duplicates("run").set_index("run")
    return places.join(pd.DataFrame(values)).reset_index()[list(COLUMNS)]


def parallel(
    students_wide: pd.DataFrame, metric: str, split: str = "", theme: Theme = LIGHT
) -> go.Figure:
    """Draw the best fifth, the worst fifth and the rest of the students.

    Both qualities have one scale, so that a line falls where the selection was optimistic.

    Args:
        students_wide: The frame of `wide`.
    """
    rows = students_wide.dropna(subset=["reported"])
    names = [*NAMES.values(), "selection", split or "reported"]
    figure = go.Figure()
    heights = _heights(rows)
    for name, own, style in _groups(rows, metric, theme):
        figure.add_trace(_bundle(heights[own], name, style))
    notes = [
        note
        for place, (column, name) in enumerate(zip(heights.columns, names, strict=True))
        for note in _axis(place, rows, column, name, theme)
    ]
    line = {"type": "line", "y0": 0, "y1": 1, "line": {"color": theme.ink, "width": 1}}
    lines = [line | {"x0": place, "x1": place} for place in range(len(names))]
    apply_theme(figure, theme, 430)
    figure.update_layout(annotations=notes, shapes=lines)  # at once: one by one takes seconds
    figure.update_xaxes(visible=False, range=[-0.25, len(names) - 0.55])
    figure.update_yaxes(visible=False, range=[-0.06, 1.14])
    title = wrap(f"Each line is a student; fifths are by its {metric_title(metric, split)}", 52)
    words = {"text": title, "x": 0, "xref": "paper", "font": {"size": 12, "color": theme.ink}}
    figure.update_layout(title=words, margin={"t": 44})
    return figure


def _heights(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each column as heights from 0 to 1; grid values are spread evenly."""
    heights = {column: _ranks(rows[column]) for column in NAMES}
    low, high = _range(rows)
    for column in ("selection", "reported"):
        heights[column] = (rows[column] - low) / (high - low)
    return pd.DataFrame(heights, index=rows.index)


def _range(rows: pd.DataFrame) -> tuple[float, float]:
    both = rows[["selection", "reported"]]
    low, high = float(both.min().min()), float(both.max().max())
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _places(values: pd.Series) -> list[float]:
    """Return the values that occur, rising; NaN, the dense teacher's λ, comes first."""
    known = sorted(values.dropna().unique())
    return [float("nan"), *known] if values.isna().any() else known


def _ranks(values: pd.Series) -> pd.Series:
    places = _places(values)
    steps = max(1, len(places) - 1)
    known = [place for place in places if place == place]
    first = len(places) - len(known)
    ranks = values.map({place: rank for rank, place in enumerate(known, start=first)}).fillna(0)
    return ranks / steps


def _groups(
    rows: pd.DataFrame, metric: str, theme: Theme
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield name, rows and style: the rest at the back, then the worst, then the best."""
    worth = -rows["reported"] if metrics.lower_is_better(metric) else rows["reported"]
    order = worth.rank(pct=True, method="first") if len(rows) else worth
    best, worst = order > 1 - FIFTH, order <= FIFTH
    yield "the rest", ~best & ~worst, {"color": theme.faint, "width": 0.7, "dash": "solid"}
    yield "worst fifth", worst, {"color": theme.lines[1], "width": 1.2, "dash": "dot"}
    yield "best fifth", best, {"color": theme.lines[0], "width": 1.6, "dash": "solid"}


def _bundle(heights: pd.DataFrame, name: str, style: dict[str, Any]) -> go.Scatter:
    """Return all lines of a group as one trace, with gaps between them.

    Shapes: heights (students, axes).
    """
    drawn = heights.fillna(0.0).to_numpy(dtype=np.float32)
    spaced = np.concatenate([drawn, np.full((len(drawn), 1), np.nan, np.float32)], axis=1)
    across = np.tile(np.append(np.arange(drawn.shape[1], dtype=np.float32), np.nan), len(drawn))
    return go.Scatter(
        x=across,
        y=spaced.ravel(),
        mode="lines",
        line=style,
        name=f"{name} ({len(heights)})",
        opacity=0.45 if name == "the rest" else 0.8,
        hoverinfo="skip",
        connectgaps=False,
    )


def _axis(
    place: int, rows: pd.DataFrame, column: str, name: str, theme: Theme
) -> Iterator[dict[str, Any]]:
    """Yield the annotations of a vertical axis: its name above it, its values beside it."""
    words = {"x": place, "font": {"color": theme.ink, "size": 11}, "showarrow": False}
    yield words | {"y": 1.04, "yanchor": "bottom", "text": f"<b>{name}</b>"}
    beside = {"xanchor": "left", "xshift": 4, "bgcolor": theme.ground}
    for height, text in _ticks(rows, column):
        yield words | beside | {"y": height, "text": text}


def _ticks(rows: pd.DataFrame, column: str) -> list[tuple[float, str]]:
    if rows.empty:
        return []
    if column in ("selection", "reported"):
        low, high = _range(rows)
        return [(at / 4, f"{low + (high - low) * at / 4:.3f}") for at in range(5)]
    places = _places(rows[column])
    factor = 100 if column == "sparsity" else 1
    steps = max(1, len(places) - 1)
    every = 1 + len(places) // 12
    return [
        (rank / steps, DENSE if value != value else f"{factor * value:g}")
        for rank, value in enumerate(places)
        if rank % every == 0
    ]


def parallel_in_words(students_wide: pd.DataFrame, metric: str, split: str = "") -> str:
    """Return the alternative text: λ and sparsity of the best fifth of the students."""
    rows = students_wide.dropna(subset=["reported"])
    if rows.empty:
        return "No student is finished."
    best_of = rows.nsmallest if metrics.lower_is_better(metric) else rows.nlargest
    best = best_of(max(1, round(FIFTH * len(rows))), "reported")
    lams = best["lam"].map(lambda lam: DENSE if lam != lam else f"λ {lam:g}").value_counts()
    counts = ", ".join(f"{count} of {name}" for name, count in lams.items())
    return (
        f"{len(rows)} students by {metric_title(metric, split)}. The best fifth: {counts}; "
        f"median sparsity {100 * best['sparsity'].median():g}%."
    )
