"""The choices of a mask: λ and sparsity on the pad, below it what else decides a mask."""

from collections.abc import Callable

import streamlit as st

from pages.parts.pad import mask_pad, surfaces
from pages.parts.pad.mask_pad import HeadChoice
from pages.parts.pad.payload import Surface
from pages.parts.shell import frame, url_state
from sparsekd.catalog.stage_parameters import MaskParams, Normalise
from sparsekd.errors import BadInput
from sparsekd.runs import shapes
from sparsekd.runs.records import Run
from sparsekd.units import mask_tables
from sparsekd.units.masking import Mask
from sparsekd.units.ranked_mask import RankedMask, rank_and_build
from sparsekd.units.scores import Scores

ROUNDINGS = (1, 8, 16, 32, 64)
SCALES: dict[Normalise, str] = {"layer": "Normalised", "none": "Raw"}
SCALE_HELP = (
    "Normalised: each layer's scores divided by their norm, so that layers compete as equals. "
    "Raw: as measured; layers with large gradients rank higher."
)
ChosenHead = Callable[[tuple[int, ...]], tuple[int, int] | None]
FIELDS = MaskParams.model_fields


def choose_mask(
    run: Run, scores: Scores, chosen_head: ChosenHead | None = None
) -> RankedMask | None:
    """Choose a mask as `choose_on_pad`; return it, None where every layer would be emptied."""
    params = choose_on_pad(run, scores, chosen_head)
    try:
        return rank_and_build(scores, params)
    except BadInput as error:
        frame.show_error(error)
        return None


def choose_on_pad(
    run: Run, scores: Scores, chosen_head: ChosenHead | None = None, own: bool = True
) -> MaskParams:
    """Choose the parameters of a mask: λ and sparsity on the pad, the others below it.

    Args:
        run: The scoring run, whose teacher and measured quality the pad shows.
        chosen_head: From (L, H) the head that the pad frames; a click then chooses another.
        own: Whether the scores are the run's: quality was measured with those alone.
    """
    top = st.container()
    params = choose_mask_params()
    measured: list[Surface] = []
    with top, frame.error_boundary():
        measured = surfaces.of_scores(run, params) if own else []
    with top:
        heads = None if chosen_head is None else HeadChoice(chosen_head(scores.shape[:2]))
        mask_pad.draw_pad(scores, params, shapes.of_scored_teacher(run), measured, heads)
    return params


def choose_mask_params() -> MaskParams:
    """Choose what decides a mask beside the pad; return it with the pad's λ and sparsity.

    All of it comes from the address bar and goes back into it.
    """
    lam, sparsity = mask_pad.place()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = {
            "lam": lam,
            "sparsity": sparsity,
            "normalise": choose_scale(),
            "round_to": _choose_rounding(),
            "neuron_sparsity": _choose_neuron_sparsity(sparsity),
        }
    url_state.write(**chosen)
    return MaskParams.of(chosen)


def choose_scale() -> Normalise:
    """Choose whether scores are normalised; the caller writes it into the address bar."""
    chosen = st.segmented_control(
        "Scale",
        list(SCALES),
        format_func=lambda name: SCALES[name],
        required=True,
        key=url_state.bound("normalise"),
        help=SCALE_HELP,
        width="content",
    )
    return chosen or "layer"


def _choose_rounding() -> int:
    key = url_state.bound("round_to")
    steps = sorted({*ROUNDINGS, st.session_state[key]})
    chosen: int = st.selectbox(
        "Round neurons to",
        steps,
        key=key,
        help=f"{FIELDS['round_to'].description} 8 suits hardware, 1 rounds nothing.",
        width=160,
    )
    return chosen


def _choose_neuron_sparsity(sparsity: float) -> float | None:
    """Choose a sparsity of the neurons' own; None where they follow the pad's."""
    apart = "url.apart"
    if apart not in st.session_state:
        st.session_state[apart] = url_state.read().neuron_sparsity is not None
    if not st.toggle("Separate sparsity for neurons", key=apart):
        return None
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
        width=220,
    )
    return share


# --- the mask --------------------------------------------------------------------------------


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


def draw_layer_table(mask: Mask) -> None:
    """Draw what is kept in each layer, as numbers."""
    frame.draw_table(mask_tables.per_layer(mask), "layers", "mask.layers", "Counts per layer")
