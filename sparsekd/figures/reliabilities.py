"""Reliability: accuracy against confidence, as trained and after a fitted temperature."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sparsekd.figures.theme import LIGHT, Theme, apply_theme, panels

PANELS = {
    False: "As trained: accuracy of the answers of each confidence",
    True: "After a temperature fitted on the selection split",
}
SMALL = 20  # examples of a bin below which its point is hollow


def reliabilities(frame: pd.DataFrame, theme: Theme = LIGHT) -> go.Figure:
    """Draw accuracy over confidence, a line per model; below the diagonal it is too sure.

    Points of fewer than 20 examples are hollow.

    Args:
        frame: Rows of `calibration_tables.bins`.
    """
    shown = [scaled for scaled in PANELS if (frame["scaled"] == scaled).any()] or [False]
    heads = [PANELS[scaled] for scaled in shown]
    figure = panels(heads, [1.0] * len(shown), 0.12, shared=True)
    start = float(frame["confidence"].min()) if len(frame) else 0.5
    for row, scaled in enumerate(shown, start=1):
        _draw_diagonal(figure, start, row, theme)
        rows = frame[frame["scaled"] == scaled]
        for place, name in enumerate(frame["what"].unique()):
            _draw(figure, rows[rows["what"] == name], str(name), row, place, theme)
    figure.update_xaxes(title_text="Confidence: probability of the prediction", row=len(shown))
    figure.update_yaxes(nticks=6)
    return apply_theme(figure, theme, 160 + 260 * len(shown))


def _draw(
    figure: go.Figure, rows: pd.DataFrame, name: str, row: int, place: int, theme: Theme
) -> None:
    marker = theme.marker(place)
    hollow = np.where(rows["examples"] < SMALL, "-open", "")
    figure.add_trace(
        go.Scatter(
            x=rows["confidence"],
            y=rows["accuracy"],
            mode="lines+markers",
            name=name,
            legendgroup=name,
            showlegend=row == 1,
            line=theme.line(place),
            marker=marker | {"symbol": [f"{marker['symbol']}{each}" for each in hollow], "size": 8},
            customdata=[_words(each) for each in rows.to_dict("records")],
            hovertemplate=f"{name}<br>%{{customdata}}<extra></extra>",
        ),
        row,
        1,
    )


def _draw_diagonal(figure: go.Figure, start: float, row: int, theme: Theme) -> None:
    figure.add_trace(
        go.Scatter(
            x=[start, 1],
            y=[start, 1],
            mode="lines",
            name="perfectly calibrated",
            legendgroup="diagonal",
            showlegend=row == 1,
            line={"color": theme.faint, "dash": "dash", "width": 1.5},
            hoverinfo="skip",
        ),
        row,
        1,
    )


def _words(row: dict[Any, Any]) -> str:
    return (
        f"confidence {row['confidence']:.3f}, accuracy {row['accuracy']:.3f}"
        f"<br>{row['examples']:,} examples of all seeds"
    )


def reliabilities_in_words(frame: pd.DataFrame) -> str:
    """Return the alternative text: by how much each model is too sure, before and after."""
    parts = []
    for name, rows in frame.groupby("what", sort=False):
        gaps = {}
        for scaled, group in rows.groupby("scaled"):
            excess = (group["confidence"] - group["accuracy"]) * group["examples"]
            gaps[bool(scaled)] = float(excess.sum() / group["examples"].sum())
        words = f"{name} {gaps[False]:+.3f}"
        parts.append(words + (f", after the temperature {gaps[True]:+.3f}" if True in gaps else ""))
    head = "Confidence minus accuracy of each model: "
    return head + ("; ".join(parts) or "nothing is finished") + "."
