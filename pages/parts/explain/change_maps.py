"""Maps of measured changes: white at 0, red where a removal harms."""

import numpy as np
import plotly.graph_objects as go

from pages.parts.scores_and_mask import heatmaps
from sparsekd.units.ablation import Measure
from sparsekd.units.harm import Granularity
from sparsekd.units.scores import Matrix

SCALES: dict[Measure, str] = {"task_loss": "RdBu_r", "metric": "RdBu", "distance": "RdBu_r"}
"""Colours from the lowest change to the highest: red is always the harm."""

CHOSEN = "#12a150"  # the frame of the chosen head: visible on red, white and blue


def plot_changes(
    values: Matrix,
    measure: Measure,
    granularity: Granularity,
    chosen: tuple[int, int] | None = None,
) -> go.Figure:
    """Return a map of changes, white at 0 and red where a removal harms.

    Shapes: values (L, U).
    """
    top = float(np.abs(values).max()) or 1.0
    figure = heatmaps.plot_heads(values, chosen=chosen)
    figure.update_traces(
        zmin=-top, zmax=top, colorscale=SCALES[measure], selector={"type": "heatmap"}
    )
    hover = f"layer %{{y}}, {granularity} %{{x}}<br>%{{text}}<extra></extra>"
    texts = [f"{value:+.4g}" for value in values.ravel()]
    figure.update_traces(hovertemplate=hover, text=texts, selector={"type": "scatter"})
    figure.update_shapes(line_color=CHOSEN)
    return figure.update_xaxes(title_text="Head" if granularity == "head" else "Group of neurons")
