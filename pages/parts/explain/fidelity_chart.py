"""A score against what removal really did: a marker per unit, rings around the misjudged."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from pages.parts.shell import looks
from sparsekd.units import fidelity
from sparsekd.units.harm import Granularity

Row = NDArray[np.float64]

MANY = 500  # markers; above, they are drawn by the graphics card
OUTLIERS = 5


def scatter(
    score: Row, really: Row, places: NDArray[np.int64], what: Granularity, axes: tuple[str, str]
) -> go.Figure:
    """A score against the effect, one marker per unit; the most misjudged are ringed.

    Shapes: score, really (U,), places (U, 2).
    """
    colours = looks.look()
    draw = go.Scattergl if score.size > MANY else go.Scatter
    marker = {
        "size": 9 if score.size <= MANY else 5,
        "color": places[:, 0].astype(np.float32),
        "colorscale": looks.SCALE,
        "colorbar": looks.bar("Layer") | {"dtick": 1},
        "line": {"width": 0.7, "color": colours.ink},
    }
    hover = f"layer %{{customdata[0]}}, {what} %{{customdata[1]}}<br>score %{{x:.4g}}<br>"
    shared = {"mode": "markers", "showlegend": False}
    shared |= {side: {"marker": {"opacity": 1}} for side in ("selected", "unselected")}
    figure = go.Figure(
        draw(
            x=score, y=really, customdata=places, marker=marker,
            hovertemplate=f"{hover}effect %{{y:+.4g}}<extra></extra>", **shared,
        )
    )  # fmt: skip
    far = fidelity.outliers(score, really, OUTLIERS)
    ring = {"symbol": "circle-open", "size": 18, "color": colours.chosen, "line": {"width": 2}}
    figure.add_trace(
        go.Scatter(x=score[far], y=really[far], marker=ring, hoverinfo="skip",
                   customdata=places[far], **shared)
    )  # fmt: skip
    return looks.plain(figure, *axes)
