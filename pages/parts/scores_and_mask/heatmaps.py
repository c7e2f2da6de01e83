"""Heads and neurons as pictures: score maps, masks over them, and a click catcher.

Plotly gives no clicks on heat maps, so transparent markers lie over them. One marker per neuron
would block a browser for seconds: neurons come sorted and binned, or as one plain heat map.
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from pages.parts.shell.looks import SCALE, Look, look, plain

Matrix = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

BINS = 128
ROW = 26  # pixels of a layer's row


def heads(
    values: Matrix,
    pruned: Flags | None = None,
    chosen: tuple[int, int] | None = None,
    top: float | None = None,
) -> go.Figure:
    """A map of the heads; pruned ones are empty and crossed, the chosen one is framed.

    Args:
        chosen: Layer and head, counted from 0.
        top: The value of the brightest colour; by default the largest there is.

    Shapes: values, pruned (L, H).
    """
    colours = look()
    kept = values if pruned is None else np.where(pruned, np.nan, values)
    figure = go.Figure(_map(kept, top or float(values.max()), gap=1))
    if pruned is not None:
        _cross_out(figure, pruned, colours)
    _catch_clicks(figure, values, pruned)
    if chosen is not None:
        _frame_cell(figure, *chosen, colours)
    return _laid_out(figure, len(values), "Head", _whole(values.shape[1]), values.shape[1])


def neurons(values: Matrix) -> go.Figure:
    """A map of every neuron in its own order, coloured by the square root of its value.

    Shapes: values (L, F).
    """
    figure = go.Figure(_by_root(values, float(values.max())))
    figure.update_traces(hovertemplate="layer %{y}, neuron %{x}<extra></extra>", hoverinfo=None)
    return _laid_out(figure, len(values), "Neuron", None, values.shape[1])


def sorted_neurons(values: Matrix, kept: NDArray[Any] | None = None) -> go.Figure:
    """Each layer's neurons, the highest first, in bins; what goes is hatched with crosses.

    Args:
        kept: How many neurons stay in each layer; they are the layer's highest.

    Shapes: values (L, F), kept (L,).
    """
    colours, (layers, width) = look(), values.shape
    bins = binned(values)
    step = width / bins.shape[1]
    if kept is not None:  # the bars over them must not show the bins between their rows
        starts = np.arange(bins.shape[1]) * step
        shown = np.where(starts[None, :] < kept[:, None], bins, np.nan)
    else:
        shown = bins
    trace = _by_root(shown, float(bins.max()))
    trace.update(x0=step / 2, dx=step, hoverinfo="skip")
    figure = go.Figure(trace)
    if kept is not None:
        figure.add_trace(_cut(kept, width, colours))
    return _laid_out(figure, layers, "Neurons of the layer, the highest first", None, width)


def binned(values: Matrix, bins: int = BINS) -> Matrix:
    """Each layer's values, the highest first, averaged in at most `bins` bins.

    Shapes: values (L, F) -> (L, min(bins, F)).
    """
    ordered = -np.sort(-values, axis=1)
    width = values.shape[1]
    if width <= bins:
        return ordered.astype(np.float32)
    edges = np.linspace(0, width, bins + 1).astype(int)
    sums = np.add.reduceat(ordered.astype(np.float64), edges[:-1], axis=1)
    means: Matrix = (sums / np.diff(edges)).astype(np.float32)
    return means


def _map(values: Matrix, top: float, gap: int = 0) -> go.Heatmap:
    return go.Heatmap(
        z=values.astype(np.float32),
        x0=1,
        dx=1,
        y0=1,
        dy=1,
        zmin=0,
        zmax=top or 1.0,
        xgap=gap,
        ygap=gap or 1,
        colorscale=SCALE,
        hoverinfo="skip",
        colorbar=_bar_above(),
    )


def _by_root(values: Matrix, top: float) -> go.Heatmap:
    """A few neurons are far above the rest: colours by the square root, labels as they are."""
    trace = _map(np.sqrt(values), float(np.sqrt(top)))
    places = np.linspace(0, np.sqrt(top), 5)
    words = [f"{place**2:.2g}" for place in places]
    trace.colorbar.update(tickvals=places.tolist(), ticktext=words)
    return trace


def _bar_above() -> dict[str, Any]:
    """A colour bar over a map: the map keeps the whole width."""
    ink = {"color": look().ink, "size": 11}
    return {
        "orientation": "h", "thickness": 7, "len": 1.0, "y": 1.0, "yanchor": "bottom",
        "ypad": 4, "xpad": 0, "nticks": 5, "ticklabelposition": "outside top",
        "tickfont": ink, "outlinewidth": 0,
    }  # fmt: skip


def _cross_out(figure: go.Figure, pruned: Flags, colours: Look) -> None:
    empty = np.where(pruned, 1, np.nan).astype(np.float32)
    flat = [[0, colours.gone], [1, colours.gone]]
    figure.add_trace(
        go.Heatmap(
            z=empty, x0=1, dx=1, y0=1, dy=1, xgap=1, ygap=1,
            colorscale=flat, showscale=False, hoverinfo="skip",
        )
    )  # fmt: skip
    layer, head = np.nonzero(pruned)
    figure.add_trace(
        go.Scatter(
            x=head + 1, y=layer + 1, mode="markers", hoverinfo="skip", showlegend=False,
            marker={
                "symbol": "x-thin", "size": 9, "line": {"width": 2, "color": colours.cross}
            },
        )
    )  # fmt: skip


def _catch_clicks(figure: go.Figure, values: Matrix, pruned: Flags | None) -> None:
    layer, head = np.indices(values.shape)
    fate = np.full(values.shape, "") if pruned is None else np.where(pruned, "goes", "stays")
    invisible = {"marker": {"opacity": 0}}
    figure.add_trace(
        go.Scatter(
            x=head.ravel() + 1,
            y=layer.ravel() + 1,
            mode="markers",
            showlegend=False,
            marker={"symbol": "square", "size": 30, "opacity": 0},
            selected=invisible,
            unselected=invisible,
            text=[
                f"{value:.4g} {word}".strip()
                for value, word in zip(values.ravel(), fate.ravel(), strict=True)
            ],
            customdata=np.stack([layer.ravel(), head.ravel()], axis=1),
            hovertemplate="layer %{y}, head %{x}<br>%{text}<extra></extra>",
        )
    )


def _frame_cell(figure: go.Figure, layer: int, head: int, colours: Look) -> None:
    figure.add_shape(
        type="rect", x0=head + 0.5, x1=head + 1.5, y0=layer + 0.5, y1=layer + 1.5,
        line={"color": colours.chosen, "width": 3},
    )  # fmt: skip


def _cut(kept: NDArray[Any], width: int, colours: Look) -> go.Bar:
    """Bars over the bins that go: the cross pattern is the shape that marks them."""
    layers = np.arange(1, len(kept) + 1)
    gone = width - kept
    return go.Bar(
        x=gone,
        base=kept,
        y=layers,
        orientation="h",
        width=0.96,
        showlegend=False,
        customdata=np.stack([kept, gone], axis=1),
        hovertemplate="layer %{y}<br>%{customdata[0]} stay, %{customdata[1]} go<extra></extra>",
        marker={
            "color": colours.gone,
            "line": {"width": 0},
            "pattern": {
                "shape": "x", "fgcolor": colours.cross, "bgcolor": colours.gone,
                "size": 10, "solidity": 0.12, "fillmode": "replace",
            },
        },
    )  # fmt: skip


def _whole(count: int) -> list[int]:
    """Tick positions that stay readable in a narrow map: every one, or every other."""
    return list(range(1, count + 1, 1 if count <= 8 else 2))


def _laid_out(
    figure: go.Figure, layers: int, across: str, ticks: list[int] | None, width: int
) -> go.Figure:
    by_rank = ticks is None and across != "Neuron"
    edges = [0, width] if by_rank else [0.5, width + 0.5]
    figure.update_xaxes(
        range=edges,
        title_text=across,
        showgrid=False,
        zeroline=False,
        fixedrange=True,
        tickangle=0,
        automargin=True,
        title_standoff=22,
    )
    if ticks:
        figure.update_xaxes(tickvals=ticks)
    figure.update_yaxes(
        range=[0.5, layers + 0.5], title_text="Layer", tickvals=_whole(layers),
        showgrid=False, zeroline=False, fixedrange=True, title_standoff=4,
    )  # fmt: skip
    return plain(figure, height=90 + ROW * min(max(layers, 5), 16))
