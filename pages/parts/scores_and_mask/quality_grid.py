"""Quality of masked teachers over λ × sparsity, where several curves were measured."""

import altair as alt
import pandas as pd
import streamlit as st

from pages.parts.shell import charts, figure_theme
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.studies.masked_teacher import masked_quality

FEWEST = 4  # λ, below which the curves alone are easier to read


def draw_quality_grid(known: pd.DataFrame, titles: dict[str, str], params: MaskParams) -> None:
    """Draw one heat map for each column of `titles`, where there are enough λ."""
    grids = {name: masked_quality.cells(known, name) for name in titles}
    if min(cells["λ"].nunique() for cells in grids.values()) < FEWEST:
        return
    for place, (name, cells) in zip(st.columns(len(grids)), grids.items(), strict=True):
        title = titles[name]
        place.markdown(f"**{title}** over λ and sparsity")
        place.altair_chart(
            _plot_cells(cells, params),
            width="stretch",
            key=f"probe.grid.{name}",
            alt=f"{title} of the masked teacher for {cells['λ'].nunique()} λ by "
            f"{cells['sparsity'].nunique()} sparsities, as coloured cells; the cell of "
            f"λ {params.lam:g} and sparsity {params.sparsity:.0%} is framed.",
        )


def _plot_cells(cells: pd.DataFrame, params: MaskParams) -> alt.LayerChart:
    """Return coloured cells, the current one framed."""
    base = alt.Chart(cells).encode(
        x=alt.X("sparsity:O", title="Sparsity", axis=alt.Axis(format=".0%", labelAngle=0)),
        y=alt.Y("λ:O", sort="descending", title="λ"),
    )
    squares = base.mark_rect().encode(
        color=alt.Color(
            "value:Q",
            scale=alt.Scale(scheme="cividis", zero=False),
            title=None,
            legend=alt.Legend(orient="bottom", format=".3~g"),
        ),
        tooltip=[
            "λ:O",
            alt.Tooltip("sparsity:Q", format=".1%"),
            alt.Tooltip("value:Q", format=".4f"),
        ],
    )
    close = (cells["λ"] - params.lam).abs() + (cells["sparsity"] - params.sparsity).abs()
    current = base.properties(data=cells[close < masked_quality.CLOSE]).mark_rect(
        fillOpacity=0, stroke=figure_theme.current().chosen, strokeWidth=3
    )
    layered: alt.LayerChart = charts.legible((squares + current).properties(height=260))
    return layered
