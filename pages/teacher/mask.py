"""Which heads and neurons are removed at this λ and sparsity?"""

from functools import partial

import streamlit as st

from pages.parts.runs import downloads, export
from pages.parts.scores_and_mask import cached_scores, mask_choices, quality_curves, score_picker
from pages.parts.shell import class_mode, frame
from sparsekd.runs.records import Run
from sparsekd.studies.masked_teacher import mask_commands, masked_model


def draw_page(run: Run) -> None:
    """Draw everything that follows the pad, without the rest of the page."""
    made = mask_choices.choose_mask(run, cached_scores.load(run))
    if made is None:
        return
    mask_choices.draw_warnings(made.mask)
    mask_choices.draw_layer_table(made.mask)
    quality_curves.draw_quality(run, made.params)
    if not class_mode.is_lecturer():
        return
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
