"""The card of one head or neuron, chosen by a click or by two boxes."""

import streamlit as st

from pages.parts.scores_and_mask import score_runs
from pages.parts.shell import url_state
from sparsekd.errors import BadInput
from sparsekd.units import masking
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Flags, Scores

UNITS = {"head": "Head", "neuron": "Neuron"}


def picked(key: str) -> None:
    """Copy the clicked cell of a chart into the choices that card and address bar show."""
    points = st.session_state[key].selection.points
    if points:
        # Streamlit hands customdata back as a dict of positions.
        cell = points[0]["customdata"]
        st.session_state["url.unit"] = "head"
        st.session_state["url.layer"] = int(cell["0"])
        st.session_state["url.index"] = int(cell["1"])


def chosen_head(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The head that the card shows, to be framed in the maps."""
    values = [st.session_state[url_state.bound(name)] for name in ("unit", "layer", "index")]
    unit, layer, head = values
    if unit != "head" or layer is None or head is None:
        return None
    return (layer, head) if layer < shape[0] and head < shape[1] else None


def show(scores: Scores, lam: float, normalise: str) -> None:
    """Choose a unit, and read everything known about it."""
    with st.container(border=True):
        kind, layer, index = choose(scores)
        if layer is None or index is None:
            st.caption("Click a head in a map, or choose layer and number here, to see its card.")
            return
        _card(scores, lam, normalise, kind, layer, index)


def choose(scores: Scores) -> tuple[str, int | None, int | None]:
    """A head or neuron by kind, layer and number, from the address bar and back into it."""
    layers, heads, neurons = scores.shape
    which, left, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    kind = which.segmented_control(
        "Unit", list(UNITS), format_func=lambda name: UNITS[name], required=True,
        key=url_state.bound("unit"), help="Head: attention head. Neuron: feed-forward unit.",
    )  # fmt: skip
    pool = heads if kind == "head" else neurons
    _keep_within("layer", layers)
    _keep_within("index", pool)
    layer = left.selectbox(
        "Layer", range(layers), format_func=lambda number: str(number + 1), index=None,
        key=url_state.bound("layer"), placeholder="choose", help="1 is next to the embeddings.",
    )  # fmt: skip
    index = right.selectbox(
        UNITS[str(kind)], range(pool), format_func=lambda number: str(number + 1), index=None,
        key=url_state.bound("index"), placeholder="choose",
    )  # fmt: skip
    url_state.write(unit=kind, layer=layer, index=index)
    return str(kind), layer, index


def _keep_within(name: str, size: int) -> None:
    """Forget a number that this model does not have."""
    key = url_state.bound(name)
    value = st.session_state[key]
    if value is not None and value >= size:
        st.session_state[key] = None


def _card(scores: Scores, lam: float, normalise: str, kind: str, layer: int, index: int) -> None:
    unit = score_runs.unit(scores, lam, normalise, kind, layer, index)
    st.markdown(f"**Layer {layer + 1}, {kind} {index + 1}**")
    tiles = (
        (
            "E",
            f"{unit.normalised_expressiveness:.3f}",
            f"raw {unit.expressiveness:.3g}",
            "Expressiveness, normalised per layer.",
        ),
        (
            "F",
            f"{unit.normalised_friendliness:.3f}",
            f"raw {unit.friendliness:.3g}",
            "Student-friendliness, normalised per layer.",
        ),
        (
            "K",
            f"{unit.worth:.3g}",
            f"λ = {lam:g}",
            f"λ · E + (1 − λ) · F at λ = {lam:g}, on the scale above.",
        ),
        (
            "Rank",
            f"{unit.pool - unit.place + 1:,}",
            f"of {unit.pool:,} {kind}s",
            "1 is worth most of all layers' units.",
        ),
    )
    with st.container(horizontal=True):
        for name, value, below, words in tiles:
            st.metric(
                name, value, below, delta_color="off", delta_arrow="off", help=words, width=145
            )
    st.markdown(_fate(scores, lam, normalise, kind, layer, index, unit.place))


def _fate(
    scores: Scores, lam: float, normalise: str, kind: str, layer: int, index: int, place: int
) -> str:
    state = url_state.read()
    share = (
        state.sparsity
        if kind == "head" or state.neuron_sparsity is None
        else (state.neuron_sparsity)
    )
    order = f"number {place:,} in the order of removal"
    mask = current_mask(scores, lam, normalise)
    if mask is None:
        return f"It is {order}."
    flags = mask.heads if kind == "head" else mask.neurons
    verb = "stays" if flags[layer, index] else "**would go**"
    return f"At sparsity {share:.0%} it {verb}: {order}. In mask.npz: `{kind}s[{layer}, {index}]`."


def would_go(scores: Scores, lam: float, normalise: str) -> Flags | None:
    """The heads that the mask of the address bar removes."""
    mask = current_mask(scores, lam, normalise)
    return None if mask is None else ~mask.heads


def current_mask(scores: Scores, lam: float, normalise: str) -> Mask | None:
    """The mask at the address bar's sparsity; None where that empties every layer."""
    state = url_state.read()
    worth = masking.knowledgeableness(scores, lam, normalise)
    try:
        return masking.decide(*worth, state.sparsity, state.neuron_sparsity, state.round_to)
    except BadInput:  # the Mask page, where the sparsity is chosen, says so
        return None
