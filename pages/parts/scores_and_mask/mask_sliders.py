"""λ and sparsity in, a mask and its picture out."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.scores_and_mask import heatmaps
from pages.parts.shell import frame, looks, url_state
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput
from sparsekd.units import masking
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Matrix, Scores
from sparsekd.units.shape import ModelShape, flops, parameters, pruned

ROUNDINGS = (1, 8, 16, 32, 64)
NORMALISE = {"layer": "Normalised", "none": "Raw"}
TILE = 140  # pixels: four side by side on a screen, two on a telephone
LENGTHS = (16, 32, 64, 128, 256, 512)
FIELDS = MaskParams.model_fields


@dataclass(frozen=True, eq=False)
class Decision:
    """What was asked for, what ranks the units, and which of them stay."""

    params: MaskParams
    heads: Matrix
    neurons: Matrix
    mask: Mask


def ask() -> MaskParams:
    """The sliders, from the address bar and back into it."""
    lam = st.slider(
        "λ", 0.0, 1.0, step=0.01, key=url_state.bound("lam"), help=FIELDS["lam"].description
    )
    apart = _apart()
    sparsity = st.slider(
        "Sparsity of heads" if apart else "Sparsity", 0.0, 1.0, step=0.01,
        key=url_state.bound("sparsity"), help=FIELDS["sparsity"].description,
    )  # fmt: skip
    neuron_sparsity = _of_neurons(sparsity) if apart else None
    normalise = st.segmented_control(
        "Scale", list(NORMALISE), format_func=lambda name: NORMALISE[name], required=True,
        key=url_state.bound("normalise"), help=FIELDS["normalise"].description,
    )  # fmt: skip
    key = url_state.bound("round_to")
    steps = sorted({*ROUNDINGS, st.session_state[key]})
    round_to = st.selectbox(
        "Round neurons to", steps, key=key,
        help=f"{FIELDS['round_to'].description} 8 suits hardware, 1 rounds nothing.",
    )  # fmt: skip
    chosen = {
        "lam": lam, "sparsity": sparsity, "neuron_sparsity": neuron_sparsity,
        "normalise": normalise, "round_to": round_to,
    }  # fmt: skip
    url_state.write(**chosen)
    return MaskParams.of(chosen)


def _apart() -> bool:
    key = "url.apart"
    if key not in st.session_state:
        st.session_state[key] = url_state.read().neuron_sparsity is not None
    apart: bool = st.toggle("Neurons apart", key=key, help="A sparsity of its own for the neurons.")
    return apart


def _of_neurons(sparsity: float) -> float:
    key = url_state.bound("neuron_sparsity")
    if st.session_state[key] is None:
        st.session_state[key] = sparsity
    share: float = st.slider(
        "Sparsity of neurons", 0.0, 1.0, step=0.01, key=key,
        help=FIELDS["neuron_sparsity"].description,
    )  # fmt: skip
    return share


def beside(scores: Scores, width: float) -> tuple[Any, Decision | None]:
    """The sliders on the left, the place for what follows from them, and what was decided.

    Where nothing can be decided the place says why, and the sliders stay.
    """
    left, right = st.columns([1, width], gap="medium")
    with left:
        params = ask()
    with right:
        try:
            return right, decide(scores, params)
        except BadInput as error:
            frame.tell(error)
            return right, None


def decide(scores: Scores, params: MaskParams) -> Decision:
    """The mask at these parameters.

    Raises:
        BadInput: the sparsity empties every layer.
    """
    worth = masking.knowledgeableness(scores, params.lam, params.normalise)
    mask = masking.decide(*worth, params.sparsity, params.neuron_sparsity, params.round_to)
    made_by = params.values() | {"scores": scores.provenance}
    return Decision(params, *worth, Mask(mask.heads, mask.neurons, made_by))


def picture(made: Decision) -> None:
    """The mask over the score map: heads crossed out, each layer's neurons cut off."""
    heads, neurons = made.mask.heads, made.mask.neurons
    left, right = st.columns(2)
    left.markdown(
        "**Heads** · crossed: goes",
        help="Brighter: more knowledgeable. An empty, crossed cell is removed.",
    )
    left.plotly_chart(
        heatmaps.heads(made.heads, pruned=~heads),
        width="stretch", key="mask.heads", config=looks.CONFIG,
        alt=f"Map of the heads: {int(heads.sum())} of {heads.size} stay; of layer 1 upwards "
        f"{', '.join(map(str, heads.sum(axis=1)))}.",
    )  # fmt: skip
    right.markdown(
        "**Neurons**, sorted · hatched: goes",
        help="Each row is a layer's neurons from the most to the least knowledgeable, "
        f"averaged in {heatmaps.BINS} bins; the cut is exact.",
    )
    right.plotly_chart(
        heatmaps.sorted_neurons(made.neurons, neurons.sum(axis=1)),
        width="stretch", key="mask.neurons", config=looks.CONFIG,
        alt=f"Map of the neurons: {int(neurons.sum()):,} of {neurons.size:,} stay; of layer 1 "
        f"upwards {', '.join(map(str, neurons.sum(axis=1)))}.",
    )  # fmt: skip


def warn(mask: Mask) -> None:
    """Say which layers vanish, and what a layer without units does."""
    for units, flags, block in (
        ("heads", mask.heads, "attention"),
        ("neurons", mask.neurons, "feed-forward block"),
    ):
        empty = [str(layer + 1) for layer, row in enumerate(flags) if not row.any()]
        if empty:
            st.warning(
                f"No {units} stay in layer {', '.join(empty)}: the {block} there is skipped, "
                "its output is LayerNorm(input).",
                icon=":material/layers_clear:",
            )


def costs(mask: Mask, shape: ModelShape | None) -> None:
    """What stays, and what it costs before and after."""
    with st.container(horizontal=True, gap="xsmall"):
        _tile("Heads", int(mask.heads.sum()), mask.heads.size, "Attention heads that stay.")
        _tile("Neurons", int(mask.neurons.sum()), mask.neurons.size, "Neurons that stay.")
        if shape is not None:
            _tiles_of_cost(shape, pruned(shape, mask))
    if shape is None:
        st.caption("Parameters and operations are known for teachers that were fine-tuned here.")


def _tiles_of_cost(before: ModelShape, after: ModelShape) -> None:
    longest = min(128, max(LENGTHS[0], before.positions))
    tokens = max(length for length in LENGTHS if length <= longest)
    _tile(
        "Parameters",
        parameters(after),
        parameters(before),
        "Weights that stay, embeddings and classifier included: those are never removed.",
    )
    _tile(
        f"FLOPs, {tokens} tokens",
        flops(after, tokens),
        flops(before, tokens),
        f"Operations of one forward pass over one example of {tokens} tokens; "
        "2 per multiply-add, matrix products only.",
    )


def _tile(name: str, after: int, before: int, words: str) -> None:
    st.metric(
        name,
        short(after),
        f"{after / before:.0%} of {short(before)}",
        delta_color="off",
        delta_arrow="off",
        help=f"{words} {after:,} of {before:,}.",
        width=TILE,
    )


def short(number: int) -> str:
    """A large count in three or four signs: 36,864 is 36.9 k."""
    for size, unit in ((10**12, " T"), (10**9, " G"), (10**6, " M"), (10**4, " k")):
        if number >= size:
            return f"{number / (1000 if unit == ' k' else size):.3g}{unit}"
    return f"{number:,}"


def table(mask: Mask) -> None:
    """What stays in each layer, as numbers."""
    rows = pd.DataFrame(
        {
            "layer": range(1, len(mask.heads) + 1),
            "heads that stay": mask.heads.sum(axis=1),
            "heads that go": (~mask.heads).sum(axis=1),
            "neurons that stay": mask.neurons.sum(axis=1),
            "neurons that go": (~mask.neurons).sum(axis=1),
        }
    )
    frame.table(rows, "layers", "mask.layers", "Counts per layer, as a table")
