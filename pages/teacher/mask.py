"""What goes at this λ and sparsity?"""

import json
from functools import partial

import streamlit as st

from pages.parts import exportview, frame, maskview, probes, scorebook, takeaway
from sparsekd import store
from sparsekd.costs import ModelShape
from sparsekd.errors import BadInput
from sparsekd.records import Run


def main(run: Run) -> None:
    """Everything that follows a slider, without the rest of the page."""
    scores = scorebook.load(run)
    place, made = maskview.beside(scores, 2.8)
    if made is None:
        return
    with place:
        maskview.costs(made.mask, shape_of(run))
        maskview.picture(made)
        maskview.warn(made.mask)
        maskview.table(made.mask)
    probes.show(run, made.params)
    takeaway.show(run, made.params, made.mask)
    exportview.apply_saved(exportview.show(run, made.mask))


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
chosen_run = scorebook.choose()
if chosen_run is None:
    frame.nothing_yet(
        "No scores yet: a mask ranks heads and neurons by them.",
        "pages/teacher/scores.py",
        "Measure scores",
    )
else:
    st.fragment(frame.guarded(partial(main, chosen_run)), key="mask")()
