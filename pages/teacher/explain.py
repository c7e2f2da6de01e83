"""What does this head or neuron do, and was removing it right?"""

from functools import partial

import streamlit as st

from pages.parts.explain import (
    ablation_view,
    attention_view,
    attribution_view,
    fidelity_view,
    unit_card,
    unit_view,
)
from pages.parts.scores_and_mask import (
    cached_scores,
    heatmaps,
    mask_overlap,
    mask_sliders,
    score_picker,
)
from pages.parts.shell import frame, looks, url_state
from sparsekd.runs import store
from sparsekd.runs.records import Run

VIEWS = {
    "why": "Why removed?",
    "does": "What does it do?",
    "ablation": "Was it right?",
    "fidelity": "Can scores be trusted?",
    "tokens": "Which words count?",
    "masks": "Masks compared",
}
OF_UNIT = ("why", "does")


def main(run: Run) -> None:
    """Everything that follows a slider or a click."""
    scores = cached_scores.load(run)
    place, made = mask_sliders.draw_sliders_beside(scores, 2.2)
    if made is None:
        return
    with place:
        _map(made)
        kind, layer, index = unit_card.choose_unit(scores)
    view = st.segmented_control(
        "Question", list(VIEWS), format_func=lambda name: VIEWS[name], required=True,
        key=url_state.bound("view"), label_visibility="collapsed",
    )  # fmt: skip
    url_state.write(view=view)
    if view in OF_UNIT and (layer is None or index is None):
        st.info(
            "Click a head in the map, or choose a layer and a number.", icon=":material/ads_click:"
        )
        return
    with frame.error_boundary():
        section(view, run, made, (kind, layer or 0, index or 0))


def section(view: str, run: Run, made: mask_sliders.Decision, unit: tuple[str, int, int]) -> None:
    """The answer to one of the page's questions."""
    kind, layer, index = unit
    if view == "why":
        ablated = next(iter(ablations(run).values()), None)
        unit_view.show(run, unit, made.params.lam, made.params.sparsity, ablated)
    elif view == "does" and kind == "head":
        attention_view.of_head(run, layer, index, made.mask)
    elif view == "does":
        attention_view.of_neuron(run, layer, index)
    elif view == "ablation":
        ablation(run)
    elif view == "fidelity":
        fidelity(run)
    elif view == "tokens":
        attribution_view.show(run, made.mask)
    else:
        mask_overlap.draw_mask_overlap(run, made.params)


def _map(made: mask_sliders.Decision) -> None:
    heads = made.mask.heads
    st.markdown("**Heads** · crossed: goes", help="A click chooses a head.")
    st.plotly_chart(
        heatmaps.plot_heads(made.heads, removed=~heads, chosen=unit_card.chosen_head(heads.shape)),
        width="stretch", key="explain.heads", config=looks.CONFIG,
        on_select=partial(unit_card.store_click, "explain.heads"), selection_mode="points",
        alt=f"Map of the heads: {int(heads.sum())} of {heads.size} stay at λ = "
        f"{made.params.lam:g} and sparsity {made.params.sparsity:.0%}.",
    )  # fmt: skip


def ablations(run: Run) -> dict[str, Run]:
    """Finished ablations of the scored teacher by id, the newest first."""
    teacher = run.recipe.inputs["teacher"]
    if ":" in teacher:
        return {}
    return {other.id: other for other in ablation_view.finished(store.get(teacher))}


def choose_ablation(run: Run) -> Run | None:
    """The ablation to look at; None before the first."""
    known = ablations(run)
    if not known:
        return None
    name = st.selectbox(
        "Ablation", list(known), format_func=lambda name: ablation_view.words(known[name]),
        key="explain.ablation", help="Units of the scored teacher, each removed alone.",
    )  # fmt: skip
    return known[name]


def ablation(run: Run) -> None:
    """What removing units really did, and the form that measures it."""
    teacher = run.recipe.inputs["teacher"]
    if ":" in teacher:
        st.info("Ablation runs start from teachers that were fine-tuned here.")
        return
    chosen = choose_ablation(run)
    if chosen is not None:
        ablation_view.show(chosen)
    ablation_view.launch(store.get(teacher))


def fidelity(run: Run) -> None:
    """Every score against the ablation, captum's attributions among them."""
    chosen = choose_ablation(run)
    if chosen is None:
        st.info(
            "No ablation of this teacher yet: it is the truth that scores are held against.",
            icon=":material/info:",
        )
        ablation(run)
        return
    fidelity_view.show(run, chosen, attribution_view.scores(run))
    attribution_view.launch(run)


frame.draw_header("Explain", "What does this head or neuron do, and was removing it right?")
chosen_run = score_picker.choose_scores()
if chosen_run is None:
    frame.stop_with_link(
        "No scores yet: a mask ranks heads and neurons by them.",
        "pages/teacher/scores.py",
        "Measure scores",
    )
else:
    st.fragment(frame.guarded(partial(main, chosen_run)), key="explain")()
