"""Student quality against teacher sparsity, above the teacher's own quality and its distance."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sparsekd.catalog import rankings
from sparsekd.figures.theme import (
    LIGHT,
    Theme,
    apply_theme,
    level_line,
    metric_title,
    panels,
    percent,
)
from sparsekd.studies.study_metric import Level
from sparsekd.studies.teacher_kinds import UNMASKED
from sparsekd.tasks import metrics

SPREAD = 0.6  # of the distance between two sparsities is used to keep lines apart
STYLES = (("dot", "x-thin-open"), ("dashdot", "cross-thin-open"), ("longdash", "asterisk-open"))
"""Dash and symbol of the lines of controls, in turn."""
PANELS = {
    "mean": "{} of the student (mean over seeds, 95% interval)",
    "teacher_mean": "{} of its teacher, by itself",
    "teacher_distance": "KL(teacher ‖ trial student) of their outputs (lower = friendlier)",
}
"""One panel per column; empty ones are left out."""
SHARES = {"mean": 0.5, "teacher_mean": 0.25, "teacher_distance": 0.25}


@dataclass(frozen=True)
class _Line:
    """One line of all three panels."""

    name: str
    rows: pd.DataFrame
    line: dict[str, Any]
    marker: dict[str, Any]


def quality(
    curve: pd.DataFrame,
    metric: str,
    chosen: tuple[float, float] | None = None,
    split: str = "",
    method: str = "",
    theme: Theme = LIGHT,
    level: Level | None = None,
) -> go.Figure:
    """Draw three panels over the teacher's sparsity: student, teacher, their distance.

    Each λ is a line, with the students' 95% interval over seeds; so is each control. The student
    of the dense teacher is a band, the student with no soft labels a dotted line.

    Args:
        curve: The frame of `sweep_results.curve`.
        chosen: λ and sparsity of the cell chosen on the selection split; a star marks it.
        method: The method whose students are drawn; the first one of the frame by default.
        level: The majority baseline, a dotted line.
    """
    rows = of_method(curve, method)
    shown = [name for name in PANELS if name == "mean" or rows[name].notna().any()]
    heads = [PANELS[name].format(metric_title(metric, split)) for name in shown]
    shares = [SHARES[name] for name in shown]
    figure = panels(heads, shares, 0.11, shared=True)
    lines, apart = list(_lines(rows, theme)), _step(rows) * SPREAD
    _dense(figure, rows, shown, theme)
    for place, line in enumerate(lines):  # side by side, or their intervals would hide one another
        shift = apart * ((place + 0.5) / len(lines) - 0.5)
        for row, column in enumerate(shown, start=1):
            _draw(figure, line, column, row, shift if row == 1 else 0.0)
        if chosen is not None and line.name == f"λ = {chosen[0]:g}" and chosen[1] > 0:
            _star(figure, line.rows[line.rows["sparsity"] == chosen[1]], shift, theme)
    if chosen is not None and chosen[1] == 0:
        _star(figure, rows[rows["ranking"] == "dense"], 0.0, theme)
    for row, column in enumerate(shown, start=1):
        if level is not None and column != "teacher_distance":
            figure.add_trace(level_line([0, _last(rows)], level, theme, row == 1), row, 1)
    _axes(figure, rows, len(shown))
    return apply_theme(figure, theme, 250 + 150 * len(shown))


def of_method(curve: pd.DataFrame, method: str = "") -> pd.DataFrame:
    """Return the rows of one method, the first by default, and of students with no soft labels."""
    taught = curve.loc[~curve["ranking"].isin(UNMASKED), "method"]
    wanted = method or (taught.iloc[0] if len(taught) else "")
    own = (curve["method"] == wanted) & ~curve["ranking"].isin(UNMASKED)
    return curve[own | (curve["ranking"] == "none")]


def _lines(rows: pd.DataFrame, theme: Theme) -> Iterator[_Line]:
    """Yield a line per λ, then the controls, in grey."""
    scored = rows[rows["ranking"] == "scores"]
    for place, lam in enumerate(sorted(scored["lam"].dropna().unique())):
        own = scored[scored["lam"] == lam].sort_values("sparsity")
        yield _Line(f"λ = {lam:g}", own, theme.line(place), theme.marker(place))
    for ranking, (dash, symbol) in zip(rankings.CONTROLS, cycle(STYLES), strict=False):
        own = rows[rows["ranking"] == ranking].sort_values("sparsity")
        if len(own):
            line = {"color": theme.faint, "dash": dash, "width": 2}
            marker = {"color": theme.faint, "symbol": symbol, "size": 9, "line": {"width": 2}}
            yield _Line(_removed(ranking), own, line, marker)


def _removed(ranking: str) -> str:
    return f"units removed {rankings.find(ranking).phrase}"


def _draw(figure: go.Figure, line: _Line, column: str, row: int, shift: float) -> None:
    known = line.rows.dropna(subset=[column])
    if known.empty:
        return
    trace = go.Scatter(
        x=known["sparsity"] + shift,
        y=known[column],
        name=line.name,
        legendgroup=line.name,
        showlegend=row == 1,
        mode="lines+markers",
        line=line.line,
        marker=line.marker,
        customdata=[_words(each, column) for each in known.to_dict("records")],
        hovertemplate=f"{line.name}<br>%{{customdata}}<extra></extra>",
    )
    if column == "mean":
        trace.error_y = {
            "array": known["high"] - known["mean"],
            "arrayminus": known["mean"] - known["low"],
            "thickness": 1,
            "width": 2,
            "color": line.line["color"],
        }
    figure.add_trace(trace, row, 1)


def _words(row: dict[Any, Any], column: str) -> str:
    words = f"sparsity {percent(row['sparsity'])}: {row[column]:.4g}"
    if column != "mean":
        return words
    if pd.notna(row["low"]):
        words += f"<br>95% interval {row['low']:.4g} to {row['high']:.4g}"
    return f"{words}<br>{row['seeds']:.0f} seeds"


def _dense(figure: go.Figure, rows: pd.DataFrame, shown: list[str], theme: Theme) -> None:
    """Draw the dense teacher's student as a band, the student with no soft labels as a line."""
    ends = [0, _last(rows)]
    name = "student of the dense teacher"
    for row in rows[rows["ranking"] == "dense"].head(1).to_dict("records"):
        if pd.notna(row["low"]):
            figure.add_trace(_band(ends, row["low"], row["high"], theme), 1, 1)
        for number, column in enumerate(shown, start=1):
            if pd.notna(row[column]):
                figure.add_trace(_level(ends, row, column, name, "solid", theme), number, 1)
    for row in rows[rows["ranking"] == "none"].head(1).to_dict("records"):
        row["sparsity"] = float("nan")
        figure.add_trace(
            _level(ends, row, "mean", "student with no soft labels", "dot", theme), 1, 1
        )


def _band(ends: list[float], low: float, high: float, theme: Theme) -> go.Scatter:
    corners = {"x": [ends[0], ends[1], ends[1], ends[0]], "y": [low, low, high, high]}
    return go.Scatter(
        **corners,
        fill="toself",
        fillcolor=theme.band,
        mode="none",
        hoverinfo="skip",
        legendgroup="student of the dense teacher",
        showlegend=False,
    )


def _level(
    ends: list[float], row: dict[Any, Any], column: str, name: str, dash: str, theme: Theme
) -> go.Scatter:
    words = _words(row, column).removeprefix("sparsity nan: ")
    what = name if column == "mean" else "dense teacher"
    return go.Scatter(
        x=ends,
        y=[row[column]] * 2,
        mode="lines",
        name=name,
        legendgroup=name,
        showlegend=column == "mean",
        line={"color": theme.ink, "dash": dash, "width": 1.5},
        customdata=[words] * 2,
        hovertemplate=f"{what}<br>%{{customdata}}<extra></extra>",
    )


def _star(figure: go.Figure, rows: pd.DataFrame, shift: float, theme: Theme) -> None:
    """Mark the chosen row with a star; the curve may not have it yet."""
    known = rows.dropna(subset=["mean"])
    figure.add_trace(
        go.Scatter(
            x=known["sparsity"] + shift,
            y=known["mean"],
            mode="markers",
            hoverinfo="skip",
            name="chosen on the selection data",
            marker={"symbol": "star-open", "size": 20, "color": theme.ink, "line": {"width": 2}},
        ),
        1,
        1,
    )


def _axes(figure: go.Figure, rows: pd.DataFrame, last: int) -> None:
    places = sorted(rows["sparsity"].dropna().unique())
    margin = _step(rows) / 2
    figure.update_xaxes(
        range=[-margin, _last(rows) + margin],
        tickvals=places,
        ticktext=[f"{100 * place:g}" for place in places],
    )
    figure.update_xaxes(title_text="Sparsity: % of the teacher's units removed", row=last, col=1)
    figure.update_yaxes(nticks=5)


def _last(rows: pd.DataFrame) -> float:
    return float(rows["sparsity"].max()) if rows["sparsity"].notna().any() else 0.0


def _step(rows: pd.DataFrame) -> float:
    """Return the least distance between two sparsities."""
    places = pd.Series(sorted(rows["sparsity"].dropna().unique()))
    return float(places.diff().min()) if len(places) > 1 else 0.1


def quality_in_words(curve: pd.DataFrame, metric: str, split: str = "", method: str = "") -> str:
    """Return the alternative text: the levels, and the best mean of each line."""
    rows = of_method(curve, method).dropna(subset=["mean"])
    names = {"none": "student with no soft labels", "dense": "student of the dense teacher"}
    parts = []
    for (kind, lam), group in rows.groupby(["ranking", "lam"], dropna=False, sort=False):
        ranking, values = str(kind), group["mean"]
        best = group.iloc[values.argmin() if metrics.lower_is_better(metric) else values.argmax()]
        name = f"λ {lam:g}" if ranking == "scores" else names.get(ranking) or _removed(ranking)
        where = "" if ranking in names else f" at sparsity {percent(best['sparsity'])}"
        parts.append(f"{name} {best['mean']:.3f}{where}")
    head = f"{metric_title(metric, split)} of students against their teacher's sparsity."
    return f"{head} Best: {'; '.join(parts) if parts else 'nothing is finished'}."
