"""What does this head or neuron do, and was removing it right?"""

from functools import partial

import streamlit as st

from pages.parts.explain import (
    ablation_view,
    attention_view,
    attribution_view,
    explanation_view,
    fidelity_view,
    unit_card,
)
from pages.parts.scores_and_mask import (
    cached_scores,
    mask_choices,
    mask_overlap,
    score_picker,
)
from pages.parts.shell import frame, url_state
from sparsekd.runs import ablations, attributions, store
from sparsekd.runs.records import Run
from sparsekd.units.ranked_mask import RankedMask

VIEWS = {
    "why": "Why removed?",
    "does": "What does it do?",
    "ablation": "Was it right?",
    "fidelity": "Can scores be trusted?",
    "tokens": "Which words count?",
    "masks": "Masks compared",
}
OF_UNIT = ("why", "does")


def draw_page(run: Run) -> None:
    """Draw everything that follows the pad or a click."""
    scores = cached_scores.load(run)
    made = mask_choices.choose_mask(run, scores, unit_card.chosen_head)
    if made is None:
        return
    kind, layer, index = unit_card.choose_unit(scores)
    chosen = st.segmented_control(
        "Question",
        list(VIEWS),
        format_func=lambda name: VIEWS[name],
        required=True,
        key=url_state.bound("view"),
        label_visibility="collapsed",
    )
    view = chosen or "why"
    url_state.write(view=view)
    if view in OF_UNIT and (layer is None or index is None):
        st.info(
            "Click a head in the map, or choose a layer and a number.", icon=":material/ads_click:"
        )
        return
    with frame.error_boundary():
        draw_view(view, run, made, (kind, layer or 0, index or 0))


def draw_view(view: str, run: Run, made: RankedMask, unit: tuple[str, int, int]) -> None:
    """Draw the answer to one of the page's questions."""
    kind, layer, index = unit
    if view == "why":
        ablated = next(iter(ablations.finished(run.recipe.inputs["teacher"]).values()), None)
        explanation_view.draw_explanation(run, unit, made.params, ablated)
    elif view == "does" and kind == "head":
        attention_view.draw_head(run, layer, index, made.mask)
    elif view == "does":
        attention_view.draw_neuron(run, layer, index)
    elif view == "ablation":
        draw_ablation(run)
    elif view == "fidelity":
        draw_fidelity(run)
    elif view == "tokens":
        attribution_view.draw_attributions(run, made.mask)
    else:
        mask_overlap.draw_mask_overlap(run, made.params)


def choose_ablation(run: Run) -> Run | None:
    """Choose an ablation of the scored teacher; None before the first."""
    known = ablations.finished(run.recipe.inputs["teacher"])
    if not known:
        return None
    name = st.selectbox(
        "Ablation",
        list(known),
        format_func=lambda name: ablations.label(known[name]),
        key="explain.ablation",
        help="Units of the scored teacher, each removed alone.",
    )
    return known[name]


def draw_ablation(run: Run) -> None:
    """Draw what removing units really changed, and the form that measures it."""
    teacher = run.recipe.inputs["teacher"]
    if ":" in teacher:
        st.info("Ablation runs start from teachers that were fine-tuned here.")
        return
    chosen = choose_ablation(run)
    if chosen is not None:
        ablation_view.draw_ablation(chosen)
    ablation_view.draw_new_ablation(store.get(teacher))


def draw_fidelity(run: Run) -> None:
    """Draw every score against the ablation, attributions among them."""
    chosen = choose_ablation(run)
    if chosen is None:
        st.info(
            "No ablation of this teacher yet: scores are compared with it.", icon=":material/info:"
        )
        draw_ablation(run)
        return
    fidelity_view.draw_fidelity(run, chosen, attributions.files(run))
    attribution_view.draw_new_attributions(run)


frame.draw_header("Explain", "What does this head or neuron do, and was removing it right?")
chosen_run = score_picker.choose_scores()
if chosen_run is None:
    frame.stop_with_link(
        "No scores yet: a mask ranks heads and neurons by them.",
        "pages/teacher/scores.py",
        "Measure scores",
    )
else:
    st.fragment(frame.guarded(partial(draw_page, chosen_run)), key="explain")()
