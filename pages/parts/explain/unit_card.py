"""The card of one head or neuron, chosen by a click or by two boxes."""

import streamlit as st

from pages.parts.shell import url_state
from sparsekd.catalog.rankings import E, F, K
from sparsekd.catalog.stage_parameters import MaskParams, Normalise
from sparsekd.errors import BadInput
from sparsekd.units import masking, score_words
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Flags, Scores
from sparsekd.units.unit_rank import RankedUnit, rank_unit

UNITS = {"head": "Head", "neuron": "Neuron"}
TILE = 145  # pixels


# --- choosing --------------------------------------------------------------------------------


def store_click(key: str) -> None:
    """Copy the clicked cell of a chart into the choices that card and address bar show."""
    points = st.session_state[key].selection.points
    if points:
        # Streamlit hands customdata back as a dict of positions.
        cell = points[0]["customdata"]
        st.session_state["url.unit"] = "head"
        st.session_state["url.layer"] = int(cell["0"])
        st.session_state["url.index"] = int(cell["1"])


def chosen_head(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the head that the card shows, to be framed in the maps."""
    values = [st.session_state[url_state.bound(name)] for name in ("unit", "layer", "index")]
    unit, layer, head = values
    if unit != "head" or layer is None or head is None:
        return None
    return (layer, head) if layer < shape[0] and head < shape[1] else None


def choose_unit(scores: Scores) -> tuple[str, int | None, int | None]:
    """Choose a head or neuron by kind, layer and number, from the address bar and back into it."""
    layers, heads, neurons = scores.shape
    which, left, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    unit = which.segmented_control(
        "Unit",
        list(UNITS),
        format_func=lambda name: UNITS[name],
        required=True,
        key=url_state.bound("unit"),
        help="Head: attention head. Neuron: feed-forward unit.",
    )
    pool = heads if unit == "head" else neurons
    _keep_within("layer", layers)
    _keep_within("index", pool)
    layer = left.selectbox(
        "Layer",
        range(layers),
        format_func=lambda number: str(number + 1),
        index=None,
        key=url_state.bound("layer"),
        placeholder="choose",
        help="1 is next to the embeddings.",
    )
    index = right.selectbox(
        UNITS[str(unit)],
        range(pool),
        format_func=lambda number: str(number + 1),
        index=None,
        key=url_state.bound("index"),
        placeholder="choose",
    )
    url_state.write(unit=unit, layer=layer, index=index)
    return str(unit), layer, index


def _keep_within(name: str, size: int) -> None:
    """Drop a number that this model does not have."""
    key = url_state.bound(name)
    value = st.session_state[key]
    if value is not None and value >= size:
        st.session_state[key] = None


# --- the card --------------------------------------------------------------------------------


def draw_unit_card(scores: Scores, lam: float, normalise: Normalise) -> None:
    """Choose a unit, and draw its scores, its rank and whether the current mask removes it."""
    with st.container(border=True):
        unit, layer, index = choose_unit(scores)
        if layer is None or index is None:
            st.caption("Click a head in a map, or choose layer and number here, to see its card.")
            return
        ranked = rank_unit(scores, lam, normalise, unit, layer, index)
        st.markdown(f"**Layer {layer + 1}, {unit} {index + 1}**")
        _draw_tiles(ranked, unit, lam)
        mask = current_mask(scores, lam, normalise)
        share = _current_sparsity(unit)
        st.markdown(score_words.removal(unit, layer, index, ranked.place, share, mask))


def _draw_tiles(ranked: RankedUnit, unit: str, lam: float) -> None:
    tiles = (
        (
            E.symbol,
            f"{ranked.normalised_expressiveness:.3f}",
            f"raw {ranked.expressiveness:.3g}",
            f"{E.title}, normalised per layer.",
        ),
        (
            F.symbol,
            f"{ranked.normalised_friendliness:.3f}",
            f"raw {ranked.friendliness:.3g}",
            f"{F.title}, normalised per layer.",
        ),
        (
            K.symbol,
            f"{ranked.knowledgeableness:.3g}",
            f"λ = {lam:g}",
            f"λ · E + (1 − λ) · F at λ = {lam:g}, on the scale above.",
        ),
        (
            "Rank",
            f"{ranked.rank:,}",
            f"of {ranked.pool:,} {unit}s",
            "By K among the units of all layers; 1 is the highest.",
        ),
    )
    with st.container(horizontal=True):
        for name, value, below, words in tiles:
            st.metric(
                name, value, below, delta_color="off", delta_arrow="off", help=words, width=TILE
            )


# --- the current mask ------------------------------------------------------------------------


def removed_heads(scores: Scores, lam: float, normalise: Normalise) -> Flags | None:
    """Return the heads that the mask of the address bar removes; None where there is no mask."""
    mask = current_mask(scores, lam, normalise)
    return None if mask is None else ~mask.heads


def current_mask(scores: Scores, lam: float, normalise: Normalise) -> Mask | None:
    """Return the mask at the address bar's sparsity; None where that empties every layer."""
    state = url_state.read()
    params = MaskParams(
        lam=lam,
        sparsity=state.sparsity,
        neuron_sparsity=state.neuron_sparsity,
        round_to=state.round_to,
        normalise=normalise,
    )
    try:
        return masking.build(scores, params)
    except BadInput:  # the Mask page, where the sparsity is chosen, shows the error
        return None


def _current_sparsity(unit: str) -> float:
    state = url_state.read()
    own = state.neuron_sparsity
    return state.sparsity if unit == "head" or own is None else own
