"""Quality against size and against measured speed, with the front that nothing beats."""

from html import escape

import pandas as pd
import plotly.graph_objects as go

from sparsekd.figures.looks import LIGHT, Look, panels, plain, titled

KINDS = {"teacher": "star", "sparse teacher": "diamond", "student": "circle"}
WIDE = 8  # times the least: from here on sizes stand on a logarithmic axis
SIDES = {
    "parameters": ("size", "Parameters", "fewer = smaller"),
    "latency_ms": ("measured time per pass", "Milliseconds, measured", "fewer = faster"),
}


def pareto(front: pd.DataFrame, metric: str, split: str = "", look: Look = LIGHT) -> go.Figure:
    """Quality against parameters and, where it was measured, against latency.

    The front is a stepped line through the models that no other beats in both; they are ringed.

    Args:
        front: The frame of `tradeoffs.front`.
    """
    sides = [side for side in SIDES if side == "parameters" or front[side].notna().any()]
    titles = [f"{titled(metric, split)} against {SIDES[side][0]}" for side in sides]
    figure = panels(titles, [1.0] * len(sides), 0.2, shared=False)
    for row, side in enumerate(sides, start=1):
        known = front.dropna(subset=[side, "quality"])
        for place, kind in enumerate(dict.fromkeys([*KINDS, *known["kind"]])):
            _points(figure, known[known["kind"] == kind], side, row, place, look)
        _line(figure, beaten_by_none(known, side, metric), side, row, look)
        wide = len(known) and known[side].max() > WIDE * known[side].min()
        words = f"{SIDES[side][1]} ({SIDES[side][2]}{', logarithmic' if wide else ''})"
        figure.update_xaxes(
            title_text=words, type="log" if wide else "linear", row=row, col=1, tickformat="~s"
        )
    plain(figure, look, 120 + 300 * len(sides))
    figure.update_yaxes(nticks=6, title_text=titled(metric))
    if len(sides) == 1:
        _unmeasured(figure, look)
    return figure


def beaten_by_none(rows: pd.DataFrame, side: str, metric: str) -> pd.DataFrame:
    """The models that are better than every smaller (or faster) one, the smallest first."""
    worth = -rows["quality"] if metric == "loss" else rows["quality"]
    ordered = rows.assign(worth=worth).sort_values([side, "worth"], ascending=[True, False])
    best_before = ordered["worth"].cummax().shift(fill_value=float("-inf"))
    return ordered[ordered["worth"] > best_before].drop(columns="worth")


def _points(
    figure: go.Figure, rows: pd.DataFrame, side: str, row: int, place: int, look: Look
) -> None:
    if rows.empty:
        return
    kind = str(rows["kind"].iloc[0])
    marker = look.marker(place) | {"symbol": KINDS.get(kind, "square"), "size": 9, "opacity": 0.8}
    figure.add_trace(
        go.Scatter(
            x=rows[side], y=rows["quality"], mode="markers", name=escape(kind), legendgroup=kind,
            showlegend=row == 1, marker=marker, text=rows["what"].astype(str).map(escape),
            hovertemplate="%{text}<br>%{y:.4f}, " + f"%{{x:,}} {_unit(side)}<extra></extra>",
        ), row, 1,
    )  # fmt: skip


def _line(figure: go.Figure, rows: pd.DataFrame, side: str, row: int, look: Look) -> None:
    figure.add_trace(
        go.Scatter(
            x=rows[side], y=rows["quality"], mode="lines+markers", name="the front: beaten by none",
            legendgroup="front", showlegend=row == 1, hoverinfo="skip",
            line={"color": look.ink, "width": 1.5, "dash": "dash", "shape": "hv"},
            marker={
                "symbol": "circle-open", "size": 16, "color": look.ink, "line": {"width": 1.5},
            },
        ), row, 1,
    )  # fmt: skip


def _unit(side: str) -> str:
    return "parameters" if side == "parameters" else "ms"


def _unmeasured(figure: go.Figure, look: Look) -> None:
    figure.add_annotation(
        text="No time is measured of these models yet.", showarrow=False, x=1, y=0, xref="paper",
        yref="paper", xanchor="right", yanchor="bottom", font={"color": look.faint, "size": 11},
    )  # fmt: skip


def pareto_in_words(front: pd.DataFrame, metric: str, split: str = "") -> str:
    """The same for those who cannot see it: who is on the front."""
    known = front.dropna(subset=["parameters", "quality"])
    best = beaten_by_none(known, "parameters", metric)
    named = "; ".join(
        f"{row['what']} {row['quality']:.3f} with {row['parameters']:,.0f} parameters"
        for row in best.to_dict("records")
    )
    head = f"{titled(metric, split)} of {len(known)} models against their size."
    return f"{head} Beaten by none: {named or 'nothing is finished'}."
