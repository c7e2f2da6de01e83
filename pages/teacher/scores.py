"""What is each head and neuron worth, to the task and to the student?"""

from functools import partial

import streamlit as st

from pages.parts.explain import unit_card
from pages.parts.scores_and_mask import (
    cached_scores,
    head_maps,
    heatmaps,
    mask_choices,
    measurement_picker,
    scatters,
    score_form,
    score_picker,
)
from pages.parts.shell import class_mode, figure_theme, frame, url_state
from sparsekd.catalog.stage_parameters import Normalise, ScoreParams
from sparsekd.runs import score_runs
from sparsekd.runs.records import Run
from sparsekd.units import score_tables, score_words
from sparsekd.units.scores import Matrix, Scores


def draw_page(run: Run) -> None:
    """Draw everything that follows the pad, without the rest of the page."""
    student, params = measurement_picker.choose_measurement(run)
    scores = measurement_picker.draw_source(run, student, params)
    if scores is None:
        return
    own = (student, params) == (run.recipe.inputs["student"], score_runs.params(run))
    chosen = mask_choices.choose_on_pad(run, scores, own=own)
    lam, normalise = chosen.lam, chosen.normalise
    heads, neurons = score_tables.matrices(scores, lam, normalise)
    st.markdown(score_words.summary(scores, lam, normalise))
    words = f"{mask_choices.SCALES[normalise].lower()}, λ = {lam:g}"
    head_maps.draw_head_maps(heads, words)
    unit_card.draw_unit_card(scores, lam, normalise)
    draw_neuron_maps(neurons, words)
    draw_scatters(scores, lam, normalise)
    draw_shuffles(run, student, params, lam, normalise)


def draw_neuron_maps(matrices: dict[str, Matrix], words: str) -> None:
    """Draw each layer's neurons sorted and binned; all of them in their own order on demand."""
    st.subheader("Neurons", anchor=False, divider="gray")
    full = st.toggle(
        "Every neuron, unsorted",
        key=url_state.bound("full"),
        help="Otherwise each layer's neurons are sorted, the highest first, and averaged in "
        f"{score_tables.BINS} bins.",
    )
    url_state.write(full=full)
    plot = heatmaps.plot_neurons if full else heatmaps.plot_sorted_neurons
    for place, (name, values) in zip(st.columns(3), matrices.items(), strict=True):
        title, help_text = head_maps.TERMS[name]
        place.markdown(f"**{title}** · neurons", help=help_text)
        place.plotly_chart(
            plot(values),
            width="stretch",
            key=f"neurons.{name}",
            config=figure_theme.CONFIG,
            alt=f"{title} of {values.shape[0]} layers of {values.shape[1]} neurons, {words}; "
            f"the highest is {values.max():.3g}.",
        )
    with st.expander("Neurons as a table", icon=":material/table:"):
        st.dataframe(score_tables.per_layer(matrices), hide_index=True, key="neurons.table")
        st.download_button(
            "Download every neuron as CSV",
            partial(score_tables.csv, matrices, "neuron"),
            "neurons.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="neurons.csv",
        )


def draw_scatters(scores: Scores, lam: float, normalise: Normalise) -> None:
    """Draw expressiveness against friendliness, and what the current mask removes."""
    st.subheader("Expressiveness against friendliness", anchor=False, divider="gray")
    heads, neurons = score_tables.matrices(scores, lam, normalise)
    sparsity = url_state.read().sparsity
    removed = unit_card.removed_heads(scores, lam, normalise)
    words = mask_choices.SCALES[normalise].lower()
    left, right = st.columns(2)
    left.markdown(f"**Heads** · crossed: removed at sparsity {sparsity:.0%}")
    left.plotly_chart(
        scatters.plot_units(heads["E"], heads["F"], "head", removed, f"({words})"),
        width="stretch",
        key="against.heads",
        config=figure_theme.CONFIG,
        alt=f"Each head's expressiveness against its friendliness, {words}; rank correlation "
        f"{score_tables.rank_correlation(heads['E'], heads['F']):.2f}.",
    )
    right.markdown("**Neurons** · how many in each cell")
    right.plotly_chart(
        scatters.plot_density(neurons["E"], neurons["F"], f"({words})"),
        width="stretch",
        key="against.neurons",
        config=figure_theme.CONFIG,
        alt=f"How many neurons have which expressiveness and friendliness, {words}; rank "
        f"correlation {score_tables.rank_correlation(neurons['E'], neurons['F']):.2f}.",
    )


def draw_shuffles(
    run: Run, student: str, params: ScoreParams, lam: float, normalise: Normalise
) -> None:
    """Draw how much of the removed half depends on the order of the data alone."""
    if params.aggregate == "per_example":
        st.caption("Scores summed per example depend on neither data order nor batch size.")
        return
    with st.expander(
        "How stable are the scores when the data is shuffled?", icon=":material/shuffle:"
    ):
        st.markdown(
            "Per-batch aggregation sums |gradient of a batch's mean| over batches of "
            f"{params.batch_size}: the same examples in another order give other scores."
        )
        if not score_runs.keeps_jacobian(run):
            st.caption("This run kept no Jacobian, so a shuffle needs another run.")
        elif st.button("Shuffle five times", icon=":material/shuffle:", key="scores.shuffle"):
            shares = cached_scores.shared_removals(run, student, params, lam, normalise)
            heads, neurons = shares.mean(axis=0)
            st.markdown(
                f"Of the half that λ = {lam:g} removes, **{heads:.0%} of the heads** and "
                f"**{neurons:.0%} of the neurons** are removed again after a shuffle (mean of "
                f"{len(shares)}; lowest {shares[:, 0].min():.0%} and {shares[:, 1].min():.0%})."
            )


frame.draw_header("Scores", "What is each head and neuron worth, to the task and to the student?")
chosen_run = score_picker.choose_scores()
if chosen_run is None:
    st.info("No scores yet: score a teacher for a trial student.", icon=":material/info:")
else:
    st.fragment(frame.guarded(partial(draw_page, chosen_run)), key="scores")()
if class_mode.is_lecturer():
    score_form.draw_new_scores(chosen_run)
