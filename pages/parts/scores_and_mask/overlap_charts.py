"""Pictures of two masks: a cell per head, a stacked bar per layer of neurons."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.parts.shell import figure_theme
from sparsekd.units import overlap
from sparsekd.units.overlap import Codes

SIGNS = ("×", "A", "B", "")
ONLY_A, ONLY_B, BOTH = "#7fb0e6", "#f0b35f", "#9aa8a4"
ON_COLOUR = "#111111"  # letters; contrast with each of the two at least 7 : 1
ROW = 28  # pixels of a layer's bar
WORDS = np.array(["kept by neither", "kept by A only", "kept by B only", "kept by both"])


def _colours() -> list[str]:
    """Return one colour for each place of `overlap.KEPT_BY`."""
    return [figure_theme.current().removed, ONLY_A, ONLY_B, BOTH]


def plot_heads(codes: Codes) -> go.Figure:
    """Return a map of the heads: by which mask each is kept, by colour and by sign.

    Shapes: codes (L, H).
    """
    steps = np.repeat(np.arange(5) / 4, 2)[1:-1].tolist()
    colours = [colour for colour in _colours() for _ in range(2)]
    cells = go.Heatmap(
        z=codes,
        x0=1,
        dx=1,
        y0=1,
        dy=1,
        zmin=-0.5,
        zmax=3.5,
        xgap=1,
        ygap=1,
        colorscale=[list(pair) for pair in zip(steps, colours, strict=True)],
        showscale=False,
        hoverinfo="skip",
    )
    figure = _laid_out(go.Figure([cells, _signs(codes)]), *codes.shape)
    return figure.update_xaxes(title_text="Head")


def _signs(codes: Codes) -> go.Scatter:
    layer, head = np.indices(codes.shape)
    inks = np.where(codes == 0, figure_theme.current().cross, ON_COLOUR)
    return go.Scatter(
        x=head.ravel() + 1,
        y=layer.ravel() + 1,
        mode="markers+text",
        showlegend=False,
        text=np.array(SIGNS)[codes].ravel(),
        textfont={"color": inks.ravel(), "size": 13},
        marker={"symbol": "square", "size": 26, "opacity": 0},
        customdata=WORDS[codes].ravel(),
        hovertemplate="layer %{y}, head %{x}<br>%{customdata}<extra></extra>",
    )


def plot_neurons(table: pd.DataFrame) -> go.Figure:
    """Return each layer's neurons, stacked by the masks that keep them.

    Args:
        table: From `overlap.compare`.
    """
    rows = table[(table["units"] == "neurons") & (table["layer"] >= 0)]
    names = {"both": "both", "only_first": "only A", "only_second": "only B", "neither": "neither"}
    fills = dict(zip(overlap.KEPT_BY, _colours(), strict=True))
    shapes = {"both": "", "only_first": "/", "only_second": "\\", "neither": "x"}
    figure = go.Figure()
    for name, words in names.items():
        pattern = {"shape": shapes[name], "solidity": 0.15, "size": 8, "fillmode": "overlay"}
        figure.add_trace(
            go.Bar(
                x=rows[name],
                y=rows["layer"] + 1,
                orientation="h",
                name=words,
                width=0.9,
                marker={"color": fills[name], "line": {"width": 0}, "pattern": pattern},
                hovertemplate=f"layer %{{y}}: %{{x}} {words}<extra></extra>",
            )
        )
    layers, width = len(rows), int(rows[list(overlap.KEPT_BY)].iloc[0].sum())
    figure = _laid_out(figure, layers, width)
    figure.update_xaxes(title_text="Neurons", range=[0, width], dtick=None)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    return figure.update_layout(barmode="stack", legend=legend)


def _laid_out(figure: go.Figure, layers: int, width: int) -> go.Figure:
    figure = figure_theme.apply(figure, height=70 + ROW * min(max(layers, 5), 16))
    figure.update_xaxes(range=[0.5, width + 0.5], dtick=1, fixedrange=True, showgrid=False)
    return figure.update_yaxes(
        title_text="Layer", range=[0.5, layers + 0.5], dtick=1, fixedrange=True, showgrid=False
    )
