"""λ and sparsity in, a mask and its picture out."""

from typing import Any

import streamlit as st

from pages.parts.scores_and_mask import heatmaps
from pages.parts.shell import figure_theme, frame, url_state
from sparsekd.catalog.stage_parameters import MaskParams, Normalise
from sparsekd.errors import BadInput
from sparsekd.units import mask_tables, shape_words
from sparsekd.units.masking import Mask
from sparsekd.units.ranked_mask import RankedMask, rank_and_build
from sparsekd.units.score_tables import BINS
from sparsekd.units.scores import Scores
from sparsekd.units.shape import ModelShape, flops, parameters, pruned

ROUNDINGS = (1, 8, 16, 32, 64)
SCALES = {"layer": "Normalised", "none": "Raw"}
SCALE_HELP = (
    "Normalised: each layer's scores divided by their norm, so that layers compete as equals. "
    "Raw: as measured; layers with large gradients rank higher."
)
TILE = 140  # pixels: four side by side on a screen, two on a telephone
FIELDS = MaskParams.model_fields


# --- sliders ---------------------------------------------------------------------------------


def choose_mask_params() -> MaskParams:
    """Choose the parameters of a mask, from the address bar and back into it."""
    lam = choose_lambda()
    apart = _choose_whether_apart()
    sparsity = st.slider(
        "Sparsity of heads" if apart else "Sparsity",
        0.0,
        1.0,
        step=0.01,
        key=url_state.bound("sparsity"),
        help=FIELDS["sparsity"].description,
    )
    chosen = {
        "lam": lam,
        "sparsity": sparsity,
        "neuron_sparsity": _choose_neuron_sparsity(sparsity) if apart else None,
        "normalise": choose_scale(),
        "round_to": _choose_rounding(),
    }
    url_state.write(**chosen)
    return MaskParams.of(chosen)


def choose_lambda(place: Any = st) -> float:
    """Choose λ; the caller writes it into the address bar."""
    lam: float = place.slider(
        "λ", 0.0, 1.0, step=0.01, key=url_state.bound("lam"), help=FIELDS["lam"].description
    )
    return lam


def choose_scale(place: Any = st) -> Normalise:
    """Choose whether scores are normalised; the caller writes it into the address bar."""
    chosen: Normalise = place.segmented_control(
        "Scale",
        list(SCALES),
        format_func=lambda name: SCALES[name],
        required=True,
        key=url_state.bound("normalise"),
        help=SCALE_HELP,
    )
    return chosen


def _choose_whether_apart() -> bool:
    key = "url.apart"
    if key not in st.session_state:
        st.session_state[key] = url_state.read().neuron_sparsity is not None
    apart: bool = st.toggle(
        "Neurons separately", key=key, help="A sparsity of its own for the neurons."
    )
    return apart


def _choose_neuron_sparsity(sparsity: float) -> float:
    key = url_state.bound("neuron_sparsity")
    if st.session_state[key] is None:
        st.session_state[key] = sparsity
    share: float = st.slider(
        "Sparsity of neurons",
        0.0,
        1.0,
        step=0.01,
        key=key,
        help=FIELDS["neuron_sparsity"].description,
    )
    return share


def _choose_rounding() -> int:
    key = url_state.bound("round_to")
    steps = sorted({*ROUNDINGS, st.session_state[key]})
    chosen: int = st.selectbox(
        "Round neurons to",
        steps,
        key=key,
        help=f"{FIELDS['round_to'].description} 8 suits hardware, 1 rounds nothing.",
    )
    return chosen


def draw_sliders_beside(scores: Scores, width: float) -> tuple[Any, RankedMask | None]:
    """Draw the sliders on the left; return the place on the right, and the mask.

    Where no mask can be made, the place shows the error, and the sliders stay.

    Args:
        width: Of the right side, with 1 for the left.
    """
    left, right = st.columns([1, width], gap="medium")
    with left:
        params = choose_mask_params()
    with right:
        try:
            return right, rank_and_build(scores, params)
        except BadInput as error:
            frame.show_error(error)
            return right, None


# --- the mask --------------------------------------------------------------------------------


def draw_mask(made: RankedMask) -> None:
    """Draw the mask over the score map: heads crossed out, each layer's neurons cut off."""
    heads, neurons = made.mask.heads, made.mask.neurons
    left, right = st.columns(2)
    left.markdown(
        "**Heads** · crossed: removed",
        help="Brighter: more knowledgeable. An empty, crossed cell is removed.",
    )
    left.plotly_chart(
        heatmaps.plot_heads(made.heads, removed=~heads),
        width="stretch",
        key="mask.heads",
        config=figure_theme.CONFIG,
        alt=f"Map of the heads: {int(heads.sum())} of {heads.size} kept; from layer 1 upwards "
        f"{', '.join(map(str, heads.sum(axis=1)))}.",
    )
    right.markdown(
        "**Neurons**, sorted · hatched: removed",
        help="Each row is a layer's neurons from the most to the least knowledgeable, "
        f"averaged in {BINS} bins; the cut is exact.",
    )
    right.plotly_chart(
        heatmaps.plot_sorted_neurons(made.neurons, neurons.sum(axis=1)),
        width="stretch",
        key="mask.neurons",
        config=figure_theme.CONFIG,
        alt=f"Map of the neurons: {int(neurons.sum()):,} of {neurons.size:,} kept; from layer 1 "
        f"upwards {', '.join(map(str, neurons.sum(axis=1)))}.",
    )


def draw_warnings(mask: Mask) -> None:
    """Warn of layers in which no head or no neuron is kept."""
    for units, flags, block in (
        ("heads", mask.heads, "attention"),
        ("neurons", mask.neurons, "feed-forward block"),
    ):
        empty = mask_tables.empty_layers(flags)
        if empty:
            st.warning(
                f"No {units} are kept in layer {', '.join(map(str, empty))}: its {block} is "
                "skipped, and the block's output is LayerNorm(input).",
                icon=":material/layers_clear:",
            )


def draw_counts(mask: Mask, shape: ModelShape | None) -> None:
    """Draw what is kept, and what the teacher costs before and after."""
    with st.container(horizontal=True, gap="xsmall"):
        _draw_tile("Heads", int(mask.heads.sum()), mask.heads.size, "Attention heads kept.")
        _draw_tile("Neurons", int(mask.neurons.sum()), mask.neurons.size, "Neurons kept.")
        if shape is not None:
            _draw_cost_tiles(shape, pruned(shape, mask))
    if shape is None:
        st.caption("Parameters and FLOPs are known for teachers that were fine-tuned here.")


def _draw_cost_tiles(before: ModelShape, after: ModelShape) -> None:
    tokens = shape_words.usual_length(before)
    _draw_tile(
        "Parameters",
        parameters(after),
        parameters(before),
        "Weights kept, with embeddings and classifier, which are never removed.",
    )
    _draw_tile(
        f"FLOPs, {tokens} tokens",
        flops(after, tokens),
        flops(before, tokens),
        f"Operations of one forward pass over one example of {tokens} tokens; "
        "2 per multiply-add, matrix products only.",
    )


def _draw_tile(name: str, after: int, before: int, words: str) -> None:
    st.metric(
        name,
        shape_words.short_count(after),
        f"{after / before:.0%} of {shape_words.short_count(before)}",
        delta_color="off",
        delta_arrow="off",
        help=f"{words} {after:,} of {before:,}.",
        width=TILE,
    )


def draw_layer_table(mask: Mask) -> None:
    """Draw what is kept in each layer, as numbers."""
    frame.draw_table(mask_tables.per_layer(mask), "layers", "mask.layers", "Counts per layer")
