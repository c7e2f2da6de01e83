"""Heads and neurons as pictures: score maps and a click catcher; masks are drawn by the pad.

Plotly gives no clicks on heat maps, so transparent markers lie over them. One marker per neuron
would block a browser for seconds: neurons come sorted and binned, or as one plain heat map.
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from pages.parts.shell import figure_theme
from sparsekd.figures.theme import Theme
from sparsekd.units.score_tables import sorted_bins
from sparsekd.units.scores import Matrix

ROW = 26  # pixels of a layer's row


def plot_heads(
    values: Matrix, chosen: tuple[int, int] | None = None, top: float | None = None
) -> go.Figure:
    """Return a map of the heads; the chosen one is framed.

    Args:
        chosen: Layer and head, counted from 0.
        top: The value of the brightest colour; by default the largest there is.

    Shapes: values (L, H).
    """
    colours = figure_theme.current()
    figure = go.Figure(_map(values, top or float(values.max()), gap=1))
    _catch_clicks(figure, values)
    if chosen is not None:
        _frame_cell(figure, *chosen, colours)
    return _laid_out(figure, len(values), "Head", _ticks(values.shape[1]), values.shape[1])


def plot_neurons(values: Matrix) -> go.Figure:
    """Return a map of every neuron in its own order, coloured by the square root of its value.

    Shapes: values (L, F).
    """
    figure = go.Figure(_by_root(values, float(values.max())))
    figure.update_traces(hovertemplate="layer %{y}, neuron %{x}<extra></extra>", hoverinfo=None)
    return _laid_out(figure, len(values), "Neuron", None, values.shape[1])


def plot_sorted_neurons(values: Matrix) -> go.Figure:
    """Return a map of each layer's neurons, the highest first, averaged in bins.

    Shapes: values (L, F).
    """
    layers, width = values.shape
    bins = sorted_bins(values)
    step = width / bins.shape[1]
    trace = _by_root(bins, float(bins.max()))
    trace.update(x0=step / 2, dx=step, hoverinfo="skip")
    figure = go.Figure(trace)
    return _laid_out(figure, layers, "Neurons of the layer, the highest first", None, width)


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
        colorscale=figure_theme.SCALE,
        hoverinfo="skip",
        colorbar=_bar_above(),
    )


def _by_root(values: Matrix, top: float) -> go.Heatmap:
    """Colour by the square root, because a few neurons are far above the rest; label by value."""
    trace = _map(np.sqrt(values), float(np.sqrt(top)))
    places = np.linspace(0, np.sqrt(top), 5)
    words = [f"{place**2:.2g}" for place in places]
    trace.colorbar.update(tickvals=places.tolist(), ticktext=words)
    return trace


def _bar_above() -> dict[str, Any]:
    """Return a colour bar over a map, so that the map keeps the whole width."""
    return {
        "orientation": "h",
        "thickness": 7,
        "len": 1.0,
        "y": 1.0,
        "yanchor": "bottom",
        "ypad": 4,
        "xpad": 0,
        "nticks": 5,
        "ticklabelposition": "outside top",
        "tickfont": {"color": figure_theme.current().ink, "size": 11},
        "outlinewidth": 0,
    }


def _catch_clicks(figure: go.Figure, values: Matrix) -> None:
    layer, head = np.indices(values.shape)
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
            text=[f"{value:.4g}" for value in values.ravel()],
            customdata=np.stack([layer.ravel(), head.ravel()], axis=1),
            hovertemplate="layer %{y}, head %{x}<br>%{text}<extra></extra>",
        )
    )


def _frame_cell(figure: go.Figure, layer: int, head: int, colours: Theme) -> None:
    figure.add_shape(
        type="rect",
        x0=head + 0.5,
        x1=head + 1.5,
        y0=layer + 0.5,
        y1=layer + 1.5,
        line={"color": colours.chosen, "width": 3},
    )


def _ticks(count: int) -> list[int]:
    """Return tick positions that stay readable in a narrow map: every one, or every other."""
    return list(range(1, count + 1, 1 if count <= 8 else 2))


def _laid_out(
    figure: go.Figure, layers: int, across: str, ticks: list[int] | None, width: int
) -> go.Figure:
    by_rank = ticks is None and across != "Neuron"
    plain_axis = {"showgrid": False, "zeroline": False, "fixedrange": True}
    figure.update_xaxes(
        range=[0, width] if by_rank else [0.5, width + 0.5],
        title_text=across,
        tickangle=0,
        automargin=True,
        title_standoff=22,
        **plain_axis,
    )
    if ticks:
        figure.update_xaxes(tickvals=ticks)
    figure.update_yaxes(
        range=[0.5, layers + 0.5],
        title_text="Layer",
        tickvals=_ticks(layers),
        title_standoff=4,
        **plain_axis,
    )
    return figure_theme.apply(figure, height=90 + ROW * min(max(layers, 5), 16))
