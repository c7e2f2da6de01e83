"""E, F and K of the heads side by side."""

from functools import partial

import streamlit as st

from pages.parts.explain import unit_card
from pages.parts.scores_and_mask import heatmaps
from pages.parts.shell import figure_theme, frame
from sparsekd.catalog.rankings import E, F, K
from sparsekd.units import score_tables
from sparsekd.units.scores import Matrix

TERMS = {
    E.symbol: (
        f"{E.title} {E.symbol}",
        "How much the task loss reacts when this unit's gate is closed a little: "
        "|∂ task loss / ∂ gate|. High: the teacher needs the unit.",
    ),
    F.symbol: (
        f"{F.title} {F.symbol}",
        "How much the distillation loss reacts when this unit's gate is closed a little: "
        "|∂ distillation loss / ∂ gate|. High: the trial student learns from the unit.",
    ),
    K.symbol: (
        f"{K.title} {K.symbol}",
        "K = λ · E + (1 − λ) · F. The mask removes the units with the lowest K.",
    ),
}


def draw_head_maps(matrices: dict[str, Matrix], words: str) -> None:
    """Draw E, F and K of the heads side by side; a click chooses a head."""
    chosen = unit_card.chosen_head(matrices["K"].shape)
    for place, (name, values) in zip(st.columns(3), matrices.items(), strict=True):
        title, help_text = TERMS[name]
        place.markdown(f"**{title}** · heads", help=help_text)
        place.plotly_chart(
            heatmaps.plot_heads(values, chosen=chosen),
            width="stretch",
            key=f"heads.{name}",
            config=figure_theme.CONFIG,
            on_select=partial(unit_card.store_click, f"heads.{name}"),
            selection_mode="points",
            alt=f"{title} of {values.shape[0]} layers of {values.shape[1]} heads, {words}; "
            f"the highest is {values.max():.3g}.",
        )
    frame.draw_table(score_tables.per_unit(matrices, "head"), "heads", "heads", "Heads as a table")
