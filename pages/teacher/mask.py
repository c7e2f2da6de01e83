"""What goes at this λ and sparsity?"""

import json
from functools import partial

import streamlit as st

from pages.parts.runs import downloads, export
from pages.parts.scores_and_mask import mask_sliders, quality_curves, score_runs
from pages.parts.shell import frame
from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.records import Run
from sparsekd.units.shape import ModelShape


def main(run: Run) -> None:
    """Everything that follows a slider, without the rest of the page."""
    scores = score_runs.load(run)
    place, made = mask_sliders.beside(scores, 2.8)
    if made is None:
        return
    with place:
        mask_sliders.costs(made.mask, shape_of(run))
        mask_sliders.picture(made)
        mask_sliders.warn(made.mask)
        mask_sliders.table(made.mask)
    quality_curves.show(run, made.params)
    downloads.show(run, made.params, made.mask)
    export.apply_saved(export.show(run, made.mask))


def shape_of(run: Run) -> ModelShape | None:
    """The teacher's sizes, where a run has left them."""
    teacher = run.recipe.inputs["teacher"]
    path = (run.folder if ":" in teacher else store.folder(teacher)) / "shape.json"
    if not path.is_file():
        return None
    try:
        return ModelShape.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is damaged.", "Fine-tune the teacher again.") from error


frame.question("Mask", "What goes at this λ and sparsity?")
chosen_run = score_runs.choose()
if chosen_run is None:
    frame.nothing_yet(
        "No scores yet: a mask ranks heads and neurons by them.",
        "pages/teacher/scores.py",
        "Measure scores",
    )
else:
    st.fragment(frame.guarded(partial(main, chosen_run)), key="mask")()
