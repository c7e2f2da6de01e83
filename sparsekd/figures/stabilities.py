"""Mask stability: the overlap of two seeds' masks against sparsity, beside chance."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sparsekd.figures.theme import LIGHT, Theme, apply_theme, panels, percent

UNITS = {"heads": "attention heads", "neurons": "feed-forward neurons"}


def stability(frame: pd.DataFrame, method: str = "", theme: Theme = LIGHT) -> go.Figure:
    """Draw the share of removed units that two seeds have in common, for heads and neurons.

    Args:
        frame: The frame of `sweep_results.stability`.
        method: The method for whose trial students units were scored; the first one by default.
    """
    rows = _of_method(frame, method)
    kinds = [unit for unit in UNITS if unit in set(rows["units"])] or list(UNITS)
    titles = [f"Removed {UNITS[unit]} that two seeds share (1 = the same ones)" for unit in kinds]
    figure = panels(titles, [1.0] * len(kinds), 0.12, shared=True)
    lams = sorted(rows["lam"].dropna().unique())
    for row, unit in enumerate(kinds, start=1):
        own = rows[rows["units"] == unit].sort_values("sparsity")
        for place, lam in enumerate(lams):
            _draw(figure, own[own["lam"] == lam], f"λ = {lam:g}", row, place, theme)
        _chance(figure, own, row, theme)
    places = sorted(rows["sparsity"].unique())
    figure.update_xaxes(tickvals=places, ticktext=[f"{100 * place:g}" for place in places])
    figure.update_xaxes(
        title_text="Sparsity: % of the teacher's units removed", row=len(kinds), col=1
    )
    figure.update_yaxes(range=[-0.03, 1.05], nticks=5)
    return apply_theme(figure, theme, 140 + 220 * len(kinds))


def _of_method(frame: pd.DataFrame, method: str) -> pd.DataFrame:
    wanted = method or (frame["method"].iloc[0] if len(frame) else "")
    return frame[frame["method"] == wanted]


def _draw(
    figure: go.Figure, rows: pd.DataFrame, name: str, row: int, place: int, theme: Theme
) -> None:
    known = rows.dropna(subset=["overlap"])
    figure.add_trace(
        go.Scatter(
            x=known["sparsity"],
            y=known["overlap"],
            mode="lines+markers",
            name=name,
            legendgroup=name,
            showlegend=row == 1,
            line=theme.line(place),
            marker=theme.marker(place),
            customdata=[_words(each) for each in _records(known)],
            hovertemplate=f"{name}<br>%{{customdata}}<extra></extra>",
        ),
        row,
        1,
    )


def _records(rows: pd.DataFrame) -> list[dict[Any, Any]]:
    return list(rows.to_dict("records"))


def _words(row: dict[Any, Any]) -> str:
    return (
        f"sparsity {percent(row['sparsity'])}: overlap {row['overlap']:.3f}"
        f"<br>by chance {row['chance']:.3f}, {row['seeds']:.0f} seeds"
    )


def _chance(figure: go.Figure, rows: pd.DataFrame, row: int, theme: Theme) -> None:
    """Draw one line for all λ: chance depends on how many units are removed, hardly on λ."""
    means = rows.groupby("sparsity")["chance"].mean()
    figure.add_trace(
        go.Scatter(
            x=means.index,
            y=means,
            mode="lines+markers",
            name="expected by chance",
            legendgroup="chance",
            showlegend=row == 1,
            line={"color": theme.faint, "dash": "dot", "width": 2},
            marker={"color": theme.faint, "symbol": "line-ew-open", "size": 10},
            hovertemplate="by chance %{y:.3f}<extra></extra>",
        ),
        row,
        1,
    )


def stability_in_words(frame: pd.DataFrame, method: str = "") -> str:
    """Return the alternative text: mean overlap and chance for heads and neurons."""
    rows = _of_method(frame, method).dropna(subset=["overlap"])
    parts = [
        f"{UNITS.get(str(unit), str(unit))} {group['overlap'].mean():.2f} "
        f"(by chance {group['chance'].mean():.2f})"
        for unit, group in rows.groupby("units")
    ]
    head = "Overlap of what two seeds remove, mean over λ and sparsity: "
    return head + ("; ".join(parts) or "fewer than two seeds are finished") + "."
