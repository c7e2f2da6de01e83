"""The λ × sparsity grid of a sweep: one cell per pair, one dense cell for all λ."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sparsekd.figures.theme import (
    DIVERGING,
    LIGHT,
    SCALE,
    Theme,
    apply_theme,
    metric_title,
    percent,
)
from sparsekd.tasks import metrics

ROW = 38  # pixels of a λ
Cell = tuple[float, float]


def grid(
    cells: pd.DataFrame,
    metric: str,
    selected: Cell | None = None,
    chosen: Cell | None = None,
    split: str = "",
    against: float | None = None,
    theme: Theme = LIGHT,
    alike: Sequence[Cell] = (),
) -> go.Figure:
    """Draw the students' mean over seeds in every cell; unfinished cells are crossed.

    At sparsity 0 nothing is removed, so one cell serves all λ. The last trace is transparent
    squares, one per cell, that receive clicks: their customdata is λ and sparsity.

    Args:
        cells: The frame of `sweep_results.grid`.
        selected: λ and sparsity of the cell that is selected on the page.
        chosen: λ and sparsity chosen on the selection split.
        against: A level, such as the dense teacher's student: differences to it are drawn.
        alike: Cells that the selection split cannot tell apart from the chosen one.
    """
    lams, sparsities = axes(cells)
    values = _matrix(cells, lams, sparsities)
    figure = go.Figure()
    for trace in _maps(values, sparsities, metric, against, theme):
        figure.add_trace(trace)
    _missing(figure, values, theme)
    _mark_alike(figure, [cell for cell in alike if cell != chosen], lams, sparsities, theme)
    _mark(figure, selected, lams, sparsities, "selected cell", "circle", theme)
    _mark(figure, chosen, lams, sparsities, "chosen on the selection data", "star", theme)
    figure.add_trace(_click_targets(cells, lams, sparsities, theme))
    apply_theme(figure, theme, 190 + ROW * max(3, len(lams)))
    return _laid_out(figure, lams, sparsities, metric_title(metric, split), against, theme)


def axes(cells: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Return the λ and the sparsities of a grid, rising."""
    return (
        sorted(float(lam) for lam in cells["lam"].dropna().unique()),
        sorted(float(sparsity) for sparsity in cells["sparsity"].dropna().unique()),
    )


def _matrix(cells: pd.DataFrame, lams: list[float], sparsities: list[float]) -> Any:
    """Return the means. Shapes: -> (λ, sparsity), NaN where nothing is finished."""
    wide = cells.pivot_table(index="lam", columns="sparsity", values="mean", dropna=False)
    return wide.reindex(index=lams, columns=sparsities).to_numpy(dtype=np.float32)


def _maps(
    values: Any, sparsities: Sequence[float], metric: str, against: float | None, theme: Theme
) -> list[go.Heatmap]:
    """Return the sparse cells, and the dense one beside them, as high as all λ together."""
    shown = values if against is None else values - against
    colours = _colours(shown, metric, against is not None)
    dense = 1 if sparsities and sparsities[0] == 0 else 0
    maps = [
        go.Heatmap(
            z=shown[:, dense:],
            x0=dense,
            dx=1,
            y0=0,
            dy=1,
            xgap=2,
            ygap=2,
            hoverinfo="skip",
            colorbar=_bar(theme),
            **colours,
        )
    ]
    if dense and np.isfinite(shown[:, 0]).any():
        one = np.nanmax(shown[:, :1], keepdims=True)
        edges = {"x": [-0.49, 0.47], "y": [-0.48, len(values) - 0.52]}
        maps.append(go.Heatmap(z=one, hoverinfo="skip", showscale=False, **edges, **colours))
    return maps


def _colours(shown: Any, metric: str, differences: bool) -> dict[str, Any]:
    """Return the colours: Cividis from least to most; of differences, blue is better."""
    known = shown[np.isfinite(shown)]
    if not differences:
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        return {"colorscale": SCALE, "zmin": low, "zmax": high if high > low else low + 1e-9}
    top = float(np.abs(known).max()) if known.size else 1.0
    scale = f"{DIVERGING}_r" if metrics.lower_is_better(metric) else DIVERGING
    return {"colorscale": scale, "zmin": -(top or 1.0), "zmax": top or 1.0}


def _bar(theme: Theme) -> dict[str, Any]:
    ink = {"color": theme.ink, "size": 11}
    return {
        "orientation": "h",
        "thickness": 8,
        "len": 1.0,
        "y": 1.0,
        "yanchor": "bottom",
        "ypad": 4,
        "xpad": 0,
        "nticks": 5,
        "ticklabelposition": "outside top",
        "tickfont": ink,
        "outlinewidth": 0,
    }


def _missing(figure: go.Figure, values: Any, theme: Theme) -> None:
    row, column = np.nonzero(~np.isfinite(values))
    if len(row):
        figure.add_trace(
            go.Scatter(
                x=column,
                y=row,
                mode="markers",
                hoverinfo="skip",
                name="not finished",
                marker={
                    "symbol": "x-thin",
                    "size": 11,
                    "line": {"width": 1.5, "color": theme.faint},
                },
            )
        )


def _mark(
    figure: go.Figure,
    cell: Cell | None,
    lams: list[float],
    sparsities: list[float],
    words: str,
    symbol: str,
    theme: Theme,
) -> None:
    """Mark a cell with a dark shape in a light one, visible on every colour of the scale."""
    if cell is None or cell[1] not in sparsities or (cell[1] and cell[0] not in lams):
        return
    row = (len(lams) - 1) / 2 if cell[1] == 0 else lams.index(cell[0])
    for colour, width in (("#ffffff", 5), ("#0e1416", 2)):
        figure.add_trace(_shape([sparsities.index(cell[1])], [row], symbol, colour, width))
    figure.add_trace(
        _shape([None], [None], symbol, theme.ink, 2).update(name=words, showlegend=True)
    )


def _mark_alike(
    figure: go.Figure,
    cells: Sequence[Cell],
    lams: list[float],
    sparsities: list[float],
    theme: Theme,
) -> None:
    """Mark the cells that cannot be told apart from the chosen one with a dot each."""
    known = [cell for cell in cells if cell[1] in sparsities and (not cell[1] or cell[0] in lams)]
    if not known:
        return
    place = {
        "x": [sparsities.index(cell[1]) for cell in known],
        "y": [lams.index(cell[0]) if cell[1] else (len(lams) - 1) / 2 for cell in known],
    }
    shared = {"mode": "markers", "hoverinfo": "skip"}
    light = {"size": 9, "color": "#ffffff", "line": {"width": 1.5, "color": "#0e1416"}}
    figure.add_trace(go.Scatter(**place, **shared, showlegend=False, marker=light))
    named = {"size": 9, "color": theme.ground, "line": {"width": 1.5, "color": theme.ink}}
    words = "cannot be told apart from the chosen one"
    figure.add_trace(go.Scatter(x=[None], y=[None], **shared, name=words, marker=named))


def _shape(x: list[Any], y: list[Any], symbol: str, colour: str, width: int) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        hoverinfo="skip",
        showlegend=False,
        marker={
            "symbol": f"{symbol}-open",
            "size": 18,
            "color": colour,
            "line": {"width": width},
        },
    )


def _click_targets(
    cells: pd.DataFrame, lams: list[float], sparsities: list[float], theme: Theme
) -> go.Scatter:
    known = cells.dropna(subset=["lam", "sparsity"])
    invisible = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=[sparsities.index(value) for value in known["sparsity"]],
        y=[lams.index(value) for value in known["lam"]],
        mode="markers",
        showlegend=False,
        marker={"symbol": "square", "size": 30, "opacity": 0, "color": theme.ink},
        selected=invisible,
        unselected=invisible,
        text=[cell_in_words(row) for row in known.to_dict("records")],
        customdata=known[["lam", "sparsity"]].to_numpy(),
        hovertemplate="%{text}<extra></extra>",
    )


def cell_in_words(row: dict[Any, Any]) -> str:
    """Return a cell with the value of every seed."""
    place = f"λ {row['lam']:g}, sparsity {percent(row['sparsity'])}"
    if row["sparsity"] == 0:
        place = "dense teacher: nothing removed, any λ"
    if pd.isna(row["mean"]):
        return f"{place}<br>not finished"
    words = f"{place}<br>mean {row['mean']:.4g}"
    if pd.notna(row["low"]):
        words += f" (95% interval {row['low']:.4g} to {row['high']:.4g})"
    values = [f"{value:.4g}" for value in np.asarray(row["values"], dtype=float).ravel()]
    lines = [", ".join(values[start : start + 5]) for start in range(0, len(values), 5)]
    return f"{words}<br>seeds: " + "<br>".join(lines)


def _laid_out(
    figure: go.Figure,
    lams: list[float],
    sparsities: list[float],
    words: str,
    against: float | None,
    theme: Theme,
) -> go.Figure:
    title = f"{words} of the student, mean over seeds"
    if against is not None:
        title = f"{words}: student minus {against:.4g}"
    figure.update_xaxes(
        range=[-0.5, len(sparsities) - 0.5],
        showgrid=False,
        tickangle=0,
        tickvals=list(range(len(sparsities))),
        ticktext=[f"{100 * sparsity:g}" for sparsity in sparsities],
        title_text="Sparsity: % of the teacher's units removed (0 = dense)",
    )
    figure.update_yaxes(
        range=[-0.5, len(lams) - 0.5],
        showgrid=False,
        tickvals=list(range(len(lams))),
        ticktext=[f"{lam:g}" for lam in lams],
        title_text="λ",
        title_standoff=4,
    )
    figure.update_layout(
        title={"text": title, "x": 0, "xref": "paper", "font": {"size": 12, "color": theme.ink}},
        margin={"t": 74},
    )
    return figure


def grid_in_words(cells: pd.DataFrame, metric: str, split: str = "") -> str:
    """Return the alternative text: the best and the worst cell, and what is missing."""
    known = cells.dropna(subset=["mean"]).reset_index(drop=True)
    missing = len(cells) - len(known)
    head = f"{metric_title(metric, split)} of the student for every λ and sparsity."
    if known.empty:
        return f"{head} No cell is finished."
    ordered = known.sort_values("mean", ascending=metrics.lower_is_better(metric), kind="stable")
    best, worst = (
        f"{row['mean']:.3f} at "
        + (f"λ {row['lam']:g}, sparsity {percent(row['sparsity'])}" if row["sparsity"] else "dense")
        for row in (ordered.iloc[0], ordered.iloc[-1])
    )
    tail = f" {missing} cells are not finished." if missing else ""
    return f"{head} Best mean {best}; worst {worst}.{tail}"
