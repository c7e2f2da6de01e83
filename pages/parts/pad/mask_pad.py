"""The pad: λ and sparsity under the finger, the mask and what it is worth with every frame.

The browser decides the mask while the hand moves (mask.js); the page reruns where it rests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.parts.pad import payload
from pages.parts.pad.payload import Surface
from pages.parts.shell import url_state
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.units.scores import Scores
from sparsekd.units.shape import ModelShape

KEY = "pad"
SCRIPTS = ("mask", "surface", "layout", "pictures", "words", "hand", "pad")


@dataclass(frozen=True)
class HeadChoice:
    """That a click chooses a head; `chosen` is the one that is framed, layer and head from 0."""

    chosen: tuple[int, int] | None


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


PAD = st.components.v2.component(
    "mask_pad",
    html=_read("pad.html"),
    css=_read("pad.css"),
    js="\n".join(_read(f"{name}.js") for name in SCRIPTS),
)


def place() -> tuple[float, float]:
    """Return λ and the sparsity where the hand rests, or of the address bar."""
    lam, sparsity = (st.session_state[url_state.bound(name)] for name in ("lam", "sparsity"))
    return lam, sparsity


def draw_pad(
    scores: Scores,
    params: MaskParams,
    shape: ModelShape | None,
    surfaces: Sequence[Surface] = (),
    heads: HeadChoice | None = None,
) -> None:
    """Draw the pad over the mask of these parameters.

    Args:
        shape: The teacher's sizes, from which costs are counted; None where they are unknown.
        surfaces: Measured quality; one of them is drawn behind the finger.
        heads: Where a click on a head chooses it.
    """
    PAD(
        data=payload.pack(
            scores,
            params,
            turn=_turn(),
            costs=[] if shape is None else payload.costs(shape),
            choosable=heads is not None,
            chosen=heads and heads.chosen,
            surfaces=[payload.surface_values(each) for each in surfaces],
        ),
        key=KEY,
        on_place_change=_take_place,
        on_head_change=_take_head,
    )


def _turn() -> int:
    """Return how often the hand has come to rest on this page."""
    found = st.session_state.get(KEY, {}).get("place")
    return int(found[2]) if found else 0


def _take_place() -> None:
    """Copy where the hand rests into the choices that page and address bar show."""
    lam, sparsity, _ = st.session_state[KEY]["place"]
    st.session_state["url.lam"], st.session_state["url.sparsity"] = float(lam), float(sparsity)


def _take_head() -> None:
    """Copy the clicked head into the choice of a unit."""
    layer, head, _ = st.session_state[KEY]["head"]
    st.session_state["url.unit"] = "head"
    st.session_state["url.layer"], st.session_state["url.index"] = int(layer), int(head)
