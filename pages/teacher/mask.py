"""Which heads and neurons are removed at this λ and sparsity?"""

from functools import partial

import streamlit as st

from pages.parts.runs import downloads, export
from pages.parts.scores_and_mask import cached_scores, mask_sliders, quality_curves, score_picker
from pages.parts.shell import frame
from sparsekd.runs import shapes
from sparsekd.runs.records import Run
from sparsekd.studies.masked_teacher import mask_commands, masked_model


def draw_page(run: Run) -> None:
    """Draw everything that follows a slider, without the rest of the page."""
    place, made = mask_sliders.draw_sliders_beside(cached_scores.load(run), 2.8)
    if made is None:
        return
    with place:
        mask_sliders.draw_counts(made.mask, shapes.of_scored_teacher(run))
        mask_sliders.draw_mask(made)
        mask_sliders.draw_warnings(made.mask)
        mask_sliders.draw_layer_table(made.mask)
    quality_curves.draw_quality(run, made.params)
    downloads.draw_downloads(run, made.params, made.mask)
    name = mask_commands.mask_name(masked_model.prune_recipe(run, made.params))
    export.draw_saved_mask(export.draw_export(run, made.mask, name))


frame.draw_header("Mask", "Which heads and neurons are removed at this λ and sparsity?")
chosen_run = score_picker.choose_scores()
if chosen_run is None:
    frame.stop_with_link(
        "No scores yet: a mask ranks heads and neurons by them.",
        "pages/teacher/scores.py",
        "Measure scores",
    )
else:
    st.fragment(frame.guarded(partial(draw_page, chosen_run)), key="mask")()
