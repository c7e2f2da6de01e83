"""A score against the effect of removal: a marker per unit, rings around the outliers."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from pages.parts.shell import figure_theme
from sparsekd.units import fidelity
from sparsekd.units.harm import Granularity
from sparsekd.units.rank_statistics import Row

MANY = 500  # markers; above, they are drawn by the graphics card
OUTLIERS = 5


def plot_fidelity(
    score: Row,
    effect: Row,
    places: NDArray[np.int64],
    granularity: Granularity,
    axes: tuple[str, str],
) -> go.Figure:
    """Return a score against the effect, one marker per unit; the largest outliers are ringed.

    Shapes: score, effect (U,), places (U, 2): layer and number.
    """
    colours = figure_theme.current()
    plot = go.Scattergl if score.size > MANY else go.Scatter
    marker = {
        "size": 9 if score.size <= MANY else 5,
        "color": places[:, 0].astype(np.float32),
        "colorscale": figure_theme.SCALE,
        "colorbar": figure_theme.colour_bar("Layer") | {"dtick": 1},
        "line": {"width": 0.7, "color": colours.ink},
    }
    hover = f"layer %{{customdata[0]}}, {granularity} %{{customdata[1]}}<br>score %{{x:.4g}}<br>"
    shared: dict[str, Any] = {"mode": "markers", "showlegend": False}
    whole = {"cliponaxis": False}  # markers at the edge are drawn whole
    shared |= {side: {"marker": {"opacity": 1}} for side in ("selected", "unselected")}
    units = plot(
        x=score,
        y=effect,
        customdata=places,
        marker=marker,
        hovertemplate=f"{hover}effect %{{y:+.4g}}<extra></extra>",
        **shared,
        **({} if plot is go.Scattergl else whole),
    )
    far = fidelity.outliers(score, effect, OUTLIERS)
    rings = go.Scatter(
        x=score[far],
        y=effect[far],
        marker={
            "symbol": "circle-open",
            "size": 18,
            "color": colours.chosen,
            "line": {"width": 2},
        },
        hoverinfo="skip",
        customdata=places[far],
        **shared,
        **whole,
    )
    return figure_theme.apply(go.Figure([units, rings]), *axes)
