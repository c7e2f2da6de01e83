"""Expressiveness against friendliness: a marker per head, a count per cell of neurons."""

import numpy as np
import plotly.graph_objects as go

from pages.parts.shell import figure_theme
from sparsekd.catalog.rankings import E, F
from sparsekd.units.scores import Flags, Matrix

DECADES = ["1", "10", "100", "1 000", "10 000"]


def plot_units(
    expressiveness: Matrix, friendliness: Matrix, unit: str, removed: Flags | None, words: str
) -> go.Figure:
    """Return expressiveness against friendliness: one marker per unit, crossed where removed.

    Shapes: expressiveness, friendliness, removed (L, U).
    """
    colours = figure_theme.current()
    places = np.indices(expressiveness.shape) + 1
    layer, index = places[0], places[1]
    crossed = np.zeros_like(layer, dtype=bool) if removed is None else removed
    figure = go.Figure()
    for name, chosen, symbol in (("kept", ~crossed, "circle"), ("removed", crossed, "x-thin")):
        if not chosen.any():
            continue
        figure.add_trace(
            go.Scattergl(
                x=expressiveness[chosen],
                y=friendliness[chosen],
                mode="markers",
                name=name,
                showlegend=False,
                customdata=np.stack([layer[chosen], index[chosen]], axis=1),
                hovertemplate=f"layer %{{customdata[0]}}, {unit} %{{customdata[1]}}<br>"
                "E %{x:.4g}<br>F %{y:.4g}<extra></extra>",
                marker={
                    "symbol": symbol,
                    "size": 8,
                    "color": layer[chosen].astype(np.float32),
                    "coloraxis": "coloraxis",
                    "line": {"width": 1.6, "color": colours.cross}
                    if symbol == "x-thin"
                    else {"width": 0.7, "color": colours.ink},
                },
            )
        )
    figure.update_layout(
        coloraxis={
            "colorscale": figure_theme.SCALE,
            "cmin": 1,
            "cmax": len(layer),
            "colorbar": figure_theme.colour_bar("Layer"),
        }
    )
    return figure_theme.apply(
        figure, f"{E.title} {E.symbol} {words}", f"{F.title} {F.symbol} {words}"
    )


def plot_density(expressiveness: Matrix, friendliness: Matrix, words: str) -> go.Figure:
    """Return expressiveness against friendliness of all neurons, counted in cells.

    Shapes: expressiveness, friendliness (L, F).
    """
    counts, across, up = np.histogram2d(expressiveness.ravel(), friendliness.ravel(), bins=(80, 60))
    shown = np.where(counts.T > 0, np.log10(np.maximum(counts.T, 1)), np.nan)
    trace = go.Heatmap(
        z=shown.astype(np.float32),
        x=((across[1:] + across[:-1]) / 2).astype(np.float32),
        y=((up[1:] + up[:-1]) / 2).astype(np.float32),
        zmin=-1.0,  # one neuron must stand out from a dark page, too
        colorscale=figure_theme.SCALE,
        hoverinfo="skip",
        colorbar=figure_theme.colour_bar("Neurons")
        | {"tickvals": [0, 1, 2, 3, 4], "ticktext": DECADES},
    )
    figure = go.Figure(trace)
    return figure_theme.apply(
        figure, f"{E.title} {E.symbol} {words}", f"{F.title} {F.symbol} {words}"
    )
