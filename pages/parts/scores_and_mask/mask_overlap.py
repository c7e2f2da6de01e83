"""Two masks compared, and how stable a mask is over seeds."""

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.parts.scores_and_mask import cached_scores, heatmaps, overlap_charts
from pages.parts.shell import figure_theme, frame
from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs import masks, score_runs
from sparsekd.runs.records import Run
from sparsekd.units import masking, overlap, overlap_words, score_tables
from sparsekd.units.masking import Mask

SOURCES = {name: rankings.find(name).title for name in ("scores", "random", "file")}


def draw_mask_overlap(run: Run, params: MaskParams) -> None:
    """Draw mask A, of these parameters, against a chosen mask B, and its stability over seeds."""
    first = masking.build(cached_scores.load(run), params)
    title = overlap_words.mask_title(params, run.id)
    st.markdown(f"Mask **A** · {title}")
    runs = score_runs.same_shape(run)
    second, words = _choose_second(run, runs, params)
    if second is None:
        st.info("Upload a mask.npz to compare with.", icon=":material/upload_file:")
    else:
        draw_two_masks(first, second, (title, words))
    draw_stability(runs, params)


def _choose_second(
    run: Run, runs: Mapping[str, Run], params: MaskParams
) -> tuple[Mask | None, str]:
    """Choose mask B: by scores, at random, or from a file; return it with its title."""
    st.markdown("Mask **B**")
    source = st.segmented_control(
        "Made from",
        list(SOURCES),
        default="scores",
        required=True,
        key="overlap.source",
        format_func=lambda name: SOURCES[name],
    )
    if source == "file":
        file = st.file_uploader("mask.npz", type="npz", key="overlap.file", max_upload_size=32)
        return (None, "") if file is None else (masks.from_upload(file.getvalue()), "from a file")
    left, middle, right = st.columns(3)
    sparsity = right.slider(
        "Sparsity of B", 0.0, 1.0, params.sparsity, 0.01, key="overlap.sparsity"
    )
    changes = {"sparsity": sparsity, "neuron_sparsity": None}
    if source == "random":
        seed = int(left.number_input("Seed", 0, 10_000, 0, key="overlap.seed"))
        drawn = params.changed(changes | {"kind": "random"})
        return masking.build(cached_scores.load(run), drawn, seed), f"random, seed {seed}"
    chosen = left.selectbox(
        "Scores of B",
        list(runs),
        format_func=lambda name: score_runs.label(runs[name]),
        key="overlap.run",
    )
    far = 1.0 if params.lam <= 0.5 else 0.0
    lam = middle.slider("λ of B", 0.0, 1.0, far, 0.01, key="overlap.lam")
    other = params.changed(changes | {"lam": lam})
    mask = masking.build(cached_scores.load(runs[chosen]), other)
    return mask, overlap_words.mask_title(other, chosen)


# --- two masks -------------------------------------------------------------------------------


def draw_two_masks(first: Mask, second: Mask, titles: tuple[str, str]) -> None:
    """Draw what both masks keep, what only one keeps, what neither keeps: words, maps, table.

    Raises:
        Incompatible: the masks are of differently shaped teachers.
    """
    table = overlap.compare(first, second)
    for units in overlap.UNITS:
        st.markdown(overlap_words.two_masks(table, units))
    st.caption(f"A: {frame.plain(titles[0])}. B: {frame.plain(titles[1])}.")
    left, right = st.columns(2)
    left.markdown("**Heads** · A, B: kept by that mask only; ×: by neither")
    left.plotly_chart(
        overlap_charts.plot_heads(overlap.codes(first.heads, second.heads)),
        width="stretch",
        key="overlap.heads",
        config=figure_theme.CONFIG,
        alt=f"Map of {first.heads.size} heads: {overlap_words.counts(table, 'heads')}.",
    )
    right.markdown("**Neurons** · how many of each layer")
    right.plotly_chart(
        overlap_charts.plot_neurons(table),
        width="stretch",
        key="overlap.neurons",
        config=figure_theme.CONFIG,
        alt=f"Bars of {first.neurons.size} neurons by layer: "
        f"{overlap_words.counts(table, 'neurons')}.",
    )
    shown = overlap_words.numbered(table)
    frame.draw_table(shown, "mask-overlap", "overlap.layers", "Every layer as a table")


# --- several masks ---------------------------------------------------------------------------


def draw_stability(runs: Mapping[str, Run], params: MaskParams) -> None:
    """Draw how often each unit is kept by the masks of several scores, at one λ and sparsity."""
    st.markdown("**Stability** · the share of masks, one per scoring run, that keep a unit")
    if len(runs) < 2:
        st.caption(
            "There is one set of scores. Distil trial students with other seeds and score the "
            "teacher for each to see which units they agree on."
        )
        return
    own = next(iter(runs.values()))
    chosen = st.multiselect(
        "Scores",
        list(runs),
        default=score_runs.same_teacher(runs.values(), own),
        key="overlap.seeds",
        format_func=lambda name: score_runs.label(runs[name]),
    )
    if len(chosen) < 2:
        st.caption("Choose at least two.")
        return
    found = [cached_scores.load(runs[name]) for name in chosen]
    _draw_shares([masking.build(scores, params) for scores in found])


def _draw_shares(masks: Sequence[Mask]) -> None:
    heads, neurons = overlap.stability(masks)
    for _, row in overlap.agreement(masks).iterrows():
        st.markdown(overlap_words.several_masks(row, len(masks)))
    left, right = st.columns(2)
    left.plotly_chart(
        heatmaps.plot_heads(heads, top=1.0),
        width="stretch",
        key="overlap.stable.heads",
        config=figure_theme.CONFIG,
        alt=f"Share of {len(masks)} masks that keep each head.",
    )
    right.plotly_chart(
        heatmaps.plot_sorted_neurons(neurons),
        width="stretch",
        key="overlap.stable.neurons",
        config=figure_theme.CONFIG,
        alt=f"Share of {len(masks)} masks that keep each neuron, sorted.",
    )
    table = score_tables.per_unit({"kept by": heads}, "head")
    frame.draw_table(table, "stability-heads", "overlap.stable", "Heads as a table")
