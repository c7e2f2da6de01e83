"""Masked teachers over λ × sparsity: where several curves were measured, a field of cells."""

import altair as alt
import pandas as pd
import streamlit as st

from pages.parts.shell import charts, looks
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.studies import sweep

LAMS = sweep.LAMS
FEWEST = 4  # λ, below which the curves alone say it better


def cells(known: pd.DataFrame, name: str) -> pd.DataFrame:
    """Columns λ, sparsity, value: of the sparsities that were measured for every λ."""
    scored = known.dropna(subset=["lam"])
    several = scored.groupby("sparsity")["lam"].transform("nunique") == scored["lam"].nunique()
    found = scored.loc[several, ["lam", "sparsity", name]]
    return found.rename(columns={"lam": "λ", name: "value"}).reset_index(drop=True)


def show(known: pd.DataFrame, names: dict[str, str], params: MaskParams) -> None:
    """One field for each column of `names`, with its title, where there are enough λ."""
    if known["lam"].nunique() < FEWEST:
        return
    for place, (name, title) in zip(st.columns(len(names)), names.items(), strict=True):
        field = cells(known, name)
        place.markdown(f"**{title}** over λ and sparsity")
        place.altair_chart(
            _chart(field, params),
            width="stretch",
            key=f"probe.grid.{name}",
            alt=f"{title} of the masked teacher for {field['λ'].nunique()} λ by "
            f"{field['sparsity'].nunique()} sparsities, as coloured cells; the cell of "
            f"λ {params.lam:g} and sparsity {params.sparsity:.0%} has a frame.",
        )


def _chart(field: pd.DataFrame, params: MaskParams) -> alt.LayerChart:
    """Coloured cells; a frame says where we are."""
    base = alt.Chart(field).encode(
        x=alt.X("sparsity:O", title="Sparsity", axis=alt.Axis(format=".0%", labelAngle=0)),
        y=alt.Y("λ:O", sort="descending", title="λ"),
    )
    scale = alt.Scale(scheme="cividis", zero=False)
    squares = base.mark_rect().encode(
        color=alt.Color("value:Q", scale=scale, title=None,
                        legend=alt.Legend(orient="bottom", format=".3~g")),
        tooltip=["λ:O", alt.Tooltip("sparsity:Q", format=".1%"),
                 alt.Tooltip("value:Q", format=".4f")],
    )  # fmt: skip
    close = (field["λ"] - params.lam).abs() + (field["sparsity"] - params.sparsity).abs() < 1e-9
    frame = base.properties(data=field[close]).mark_rect(
        fillOpacity=0, stroke=looks.look().chosen, strokeWidth=3
    )
    layered: alt.LayerChart = charts.legible((squares + frame).properties(height=260))
    return layered
