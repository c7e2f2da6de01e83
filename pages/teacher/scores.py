"""What is each head and neuron worth, to the task and to the student?"""

from functools import partial

import streamlit as st

from pages.parts.explain import unit_card
from pages.parts.scores_and_mask import heatmaps, rescored, scatters, score_runs, score_source
from pages.parts.shell import frame, looks, url_state
from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.runs.records import Run
from sparsekd.units import masking
from sparsekd.units.scores import Matrix, Scores

TERMS = {
    "E": (
        "Expressiveness E",
        "How much the task loss reacts when this unit's gate is closed a little: "
        "|∂ task loss / ∂ gate|. High: the teacher needs the unit.",
    ),
    "F": (
        "Student-friendliness F",
        "How much the distillation loss reacts when this unit's gate is closed a little: "
        "|∂ distillation loss / ∂ gate|. High: the trial student would miss the unit.",
    ),
    "K": (
        "Knowledgeableness K",
        "K = λ · E + (1 − λ) · F. The mask removes the units with the lowest K.",
    ),
}
LAM_HELP = "λ = 1 keeps what is expressive, λ = 0 keeps what is student-friendly."
NORMALISE = {"layer": "Normalised", "none": "Raw"}
NORMALISE_HELP = (
    "Normalised: each layer's scores divided by their norm, so that layers compete as equals. "
    "Raw: as measured; layers with large gradients win."
)


def main(run: Run) -> None:
    """Everything that answers a slider, without the rest of the page."""
    student, asked = score_source.asked(run)
    scores = score_source.answer(run, student, asked)
    if scores is None:
        return
    lam, normalise = how()
    heads, neurons = matrices(scores, lam, normalise)
    answer_first(scores, heads, lam)
    words = f"{NORMALISE[normalise].lower()}, λ = {lam:g}"
    head_maps(heads, words)
    unit_card.show(scores, lam, normalise)
    neuron_maps(neurons, words)
    against(scores, lam, normalise)
    instability(run, student, asked, lam, normalise)


def how() -> tuple[float, str]:
    """λ and the normalisation, from the address bar and back into it."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    lam = left.slider("λ", 0.0, 1.0, step=0.01, key=url_state.bound("lam"), help=LAM_HELP)
    normalise = right.segmented_control(
        "Scale",
        list(NORMALISE),
        format_func=lambda name: NORMALISE[name],
        key=url_state.bound("normalise"),
        help=NORMALISE_HELP,
        required=True,
    )
    url_state.write(lam=lam, normalise=normalise)
    return lam, str(normalise)


def matrices(
    scores: Scores, lam: float, normalise: str
) -> tuple[dict[str, Matrix], dict[str, Matrix]]:
    """E, F and K of the heads and of the neurons, on the scale asked for."""
    (e_heads, e_neurons), (f_heads, f_neurons), (k_heads, k_neurons) = (
        masking.knowledgeableness(scores, share, normalise) for share in (1.0, 0.0, lam)
    )
    return (
        {"E": e_heads, "F": f_heads, "K": k_heads},
        {"E": e_neurons, "F": f_neurons, "K": k_neurons},
    )


def answer_first(scores: Scores, heads: dict[str, Matrix], lam: float) -> None:
    """The page's question, answered in two lines."""
    best, least = score_runs.extremes(heads["K"])
    of_heads = score_runs.agreement(heads["E"], heads["F"])
    layers, per_layer, width = scores.shape
    st.markdown(
        f"At λ = {lam:g}, **{best}** is worth most and **{least}** least of "
        f"{layers * per_layer:,} heads. Task and student "
        f"**{score_runs.in_words(of_heads)}** about the heads (rank correlation of E and F "
        f"{of_heads:.2f}). {layers * width:,} neurons are below."
    )


def head_maps(matrices: dict[str, Matrix], words: str) -> None:
    """E, F and K of the heads side by side; a click chooses a head."""
    chosen = unit_card.chosen_head(matrices["K"].shape)
    for place, (name, values) in zip(st.columns(3), matrices.items(), strict=True):
        title, help_text = TERMS[name]
        place.markdown(f"**{title}** · heads", help=help_text)
        place.plotly_chart(
            heatmaps.heads(values, chosen=chosen),
            width="stretch",
            key=f"heads.{name}",
            config=looks.CONFIG,
            on_select=partial(unit_card.picked, f"heads.{name}"),
            selection_mode="points",
            alt=f"{title} of {values.shape[0]} layers of {values.shape[1]} heads, {words}; "
            f"the highest is {values.max():.3g}.",
        )
    frame.table(score_runs.table(matrices, "head"), "heads", "heads", "Heads as a table")


def neuron_maps(matrices: dict[str, Matrix], words: str) -> None:
    """Each layer's neurons sorted and binned; all of them in their own order on demand."""
    st.subheader("Neurons", anchor=False, divider="gray")
    full = st.toggle(
        "Every neuron, in its own order",
        key=url_state.bound("full"),
        help="Otherwise each layer's neurons are sorted, the highest first, and averaged in "
        f"{heatmaps.BINS} bins.",
    )
    url_state.write(full=full)
    draw = heatmaps.neurons if full else heatmaps.sorted_neurons
    for place, (name, values) in zip(st.columns(3), matrices.items(), strict=True):
        title, help_text = TERMS[name]
        place.markdown(f"**{title}** · neurons", help=help_text)
        place.plotly_chart(
            draw(values),
            width="stretch",
            key=f"neurons.{name}",
            config=looks.CONFIG,
            alt=f"{title} of {values.shape[0]} layers of {values.shape[1]} neurons, {words}; "
            f"the highest is {values.max():.3g}.",
        )
    with st.expander("Neurons as a table", icon=":material/table:"):
        st.dataframe(score_runs.per_layer(matrices), hide_index=True, key="neurons.table")
        st.download_button(
            "Download every neuron as CSV", partial(csv, matrices), "neurons.csv", "text/csv",
            icon=":material/download:", on_click="ignore", key="neurons.csv",
        )  # fmt: skip


def csv(matrices: dict[str, Matrix]) -> bytes:
    """Every neuron's values, made only when somebody asks for them."""
    return str(score_runs.table(matrices, "neuron").to_csv(index=False)).encode()


def against(scores: Scores, lam: float, normalise: str) -> None:
    """Expressiveness against friendliness, and what the current mask would remove."""
    st.subheader("Expressiveness against friendliness", anchor=False, divider="gray")
    heads, neurons = matrices(scores, lam, normalise)
    sparsity = url_state.read().sparsity
    gone = unit_card.would_go(scores, lam, normalise)
    words = NORMALISE[normalise].lower()
    left, right = st.columns(2)
    left.markdown(f"**Heads** · crossed: would go at sparsity {sparsity:.0%}")
    left.plotly_chart(
        scatters.scatter(heads["E"], heads["F"], "head", gone, f"({words})"),
        width="stretch",
        key="against.heads",
        config=looks.CONFIG,
        alt=f"Each head's expressiveness against its friendliness, {words}; rank correlation "
        f"{score_runs.agreement(heads['E'], heads['F']):.2f}.",
    )
    right.markdown("**Neurons** · all of them, counted in cells")
    right.plotly_chart(
        scatters.density(neurons["E"], neurons["F"], f"({words})"),
        width="stretch",
        key="against.neurons",
        config=looks.CONFIG,
        alt=f"How many neurons have which expressiveness and friendliness, {words}; rank "
        f"correlation {score_runs.agreement(neurons['E'], neurons['F']):.2f}.",
    )


def instability(run: Run, student: str, asked: ScoreParams, lam: float, normalise: str) -> None:
    """How much of the removed half depends on nothing but the order of the data."""
    if asked.aggregate == "per_example":
        st.caption(
            "Per-example aggregation depends on neither the order of the data nor a batch size."
        )
        return
    with st.expander("Would they survive a shuffle of the data?", icon=":material/shuffle:"):
        st.markdown(
            f"Per-batch aggregation sums |gradient of a batch's mean| over batches of "
            f"{asked.batch_size}: the same sentences in another order give other scores."
        )
        if not rescored.keeps_jacobian(run):
            st.caption("This run kept no Jacobian, so a shuffle needs another run.")
        elif st.button("Shuffle five times", icon=":material/shuffle:", key="scores.shuffle"):
            shares = rescored.after_shuffles(run, student, asked, lam, normalise)
            heads, neurons = shares.mean(axis=0)
            st.markdown(
                f"Of the half that λ = {lam:g} removes, **{heads:.0%} of the heads** and "
                f"**{neurons:.0%} of the neurons** are removed again after a shuffle (mean of "
                f"{len(shares)}; lowest {shares[:, 0].min():.0%} and {shares[:, 1].min():.0%})."
            )


frame.question("Scores", "What is each head and neuron worth, to the task and to the student?")
chosen_run = score_runs.choose()
if chosen_run is None:
    st.info("No scores yet: measure a teacher's for a trial student.", icon=":material/info:")
else:
    st.fragment(frame.guarded(partial(main, chosen_run)), key="scores")()
score_source.new(chosen_run)
