"""Choices that a link shares: one validated schema over the query parameters.

Defaults are left out of the address; values out of range are clamped; what does not parse is
dropped; an address of another version is ignored. Copying the link copies the view.
"""

import math
from collections.abc import Collection
from typing import Annotated, Any, Literal

import streamlit as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparsekd.catalog.stage_parameters import MaskParams

VERSION = "1"
MASK = MaskParams()
SHARED = (
    "sample",
    "study",
    "scores",
    "lam",
    "sparsity",
    "neuron_sparsity",
    "round_to",
    "normalise",
)
"""Choices that are kept from page to page."""

RunId = Annotated[str, Field(pattern=r"^([0-9a-f]{4,12})?$")]
Word = Annotated[str, Field(max_length=60, pattern=r"^[\w .:/+-]*$")]
Words = Annotated[str, Field(max_length=4000, pattern=r"^[\w:,]*$")]
Given = Annotated[str, Field(max_length=5000, pattern=r"^[\w.=;-]*$")]
Share = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[int, Field(ge=0, le=100_000)]
Sentence = Annotated[str, Field(max_length=400)]


class UrlState(BaseModel):
    """All choices that a link can carry; an empty id means the latest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    study: RunId = ""
    run: RunId = ""
    teacher: RunId = ""
    scores: RunId = ""
    trial: RunId = ""
    first: RunId = ""
    second: RunId = ""
    task: Word = ""
    method: Word = ""
    methods: Words = ""
    against: Word = ""
    split: Word = ""
    metric: Word = ""
    lam: Share = MASK.lam
    sparsity: Share = MASK.sparsity
    neuron_sparsity: Share | None = None
    round_to: int = Field(default=MASK.round_to, ge=1, le=1024)
    normalise: Literal["layer", "none"] = "layer"
    aggregate: Literal["per_batch", "per_example"] = "per_batch"
    batch_size: int = Field(default=32, ge=1, le=65536)
    friendliness: Literal["soft_ce", "kl"] = "soft_ce"
    temperature: float = Field(default=2.0, ge=1, le=20)
    unit: Literal["head", "neuron"] = "head"
    layer: Index | None = None
    index: Index | None = None
    full: bool = False
    view: Literal["why", "does", "ablation", "fidelity", "tokens", "masks"] = "why"
    picture: Literal["curve", "map", "front", "paths", "stability", "costs"] = "curve"
    behind: Literal["agreement", "softness", "choices", "calibration", "classes"] = "agreement"
    text: Sentence = ""
    pair: Sentence = ""
    masked: bool = False
    state: Word = ""
    stage: Word = ""
    sample: bool = False
    lesson: Word = ""
    step: int = Field(default=1, ge=1, le=200)
    answers: Given = ""
    present: bool = False


def read() -> UrlState:
    """Return the choices in the address, validated."""
    return parsed(st.query_params.to_dict())


def parsed(texts: dict[str, str]) -> UrlState:
    """Parse texts: unknown names and invalid values are dropped, numbers are clamped."""
    if texts.get("v", VERSION) != VERSION:
        return UrlState()
    values = {name: _value(name, texts[name]) for name in UrlState.model_fields if name in texts}
    return UrlState(**values)


def write(**changes: Any) -> UrlState:
    """Write choices into the address; those equal to their default are left out."""
    state = UrlState(**(read().model_dump() | changes))
    texts = written(state)
    if texts != st.query_params.to_dict():
        st.query_params.from_dict(texts)
    st.session_state["url.written"] = texts
    return state


def jump(**changes: Any) -> None:
    """Change choices from outside their widgets, and rerun the page with them."""
    st.query_params.from_dict(written(UrlState(**(read().model_dump() | changes))))
    st.session_state["url.written"] = None
    st.rerun()


def leap(**choices: Any) -> None:
    """Rerun the page with these choices alone: all others are the defaults."""
    st.query_params.from_dict(written(UrlState(**choices)))
    st.session_state["url.written"] = None
    st.rerun()


def link(**choices: Any) -> dict[str, str]:
    """Return the query parameters of a link with these choices, within the same store."""
    store: dict[str, Any] = {"sample": read().sample}
    return written(UrlState(**(store | choices)))


def written(state: UrlState) -> dict[str, str]:
    """Return the query parameters of the choices that differ from the defaults."""
    chosen = state.model_dump(exclude_defaults=True)
    texts = {name: _text(value) for name, value in chosen.items()}
    return {"v": VERSION} | texts if texts else {}


def bound(name: str) -> str:
    """Return the key for a widget of one choice, which starts at the value in the address.

    After the widget: ``url_state.write(name=value)``.
    """
    key = f"url.{name}"
    if key not in st.session_state:
        st.session_state[key] = getattr(read(), name)
    return key


def bound_among(name: str, what: str, known: Collection[str], usual: str) -> str:
    """Return the key for a widget of one choice, which starts at the value in the address.

    A value may be the beginning of one that is known. Where a link names none of them, that is
    said, and the usual one is chosen.

    Args:
        what: What is chosen, as in "the study".
    """
    key = bound(name)
    wanted = str(st.session_state[key] or "")
    if wanted not in known:
        found = next((each for each in known if wanted and each.startswith(wanted)), None)
        if wanted and found is None:
            say_unmet(what, wanted)
        st.session_state[key] = usual if found is None else found
    return key


def say_unmet(what: str, wanted: str) -> None:
    """Say that a link names what is not here."""
    st.warning(
        f"The link names the {what} `{wanted}`, which is not here.", icon=":material/link_off:"
    )


def enter(page: str) -> None:
    """Start a page: keep the shared choices, and follow an address that has changed."""
    session = st.session_state
    given = st.query_params.to_dict()
    if session.get("url.page") != page:
        brought = {n: t for n, t in (session.get("url.written") or {}).items() if n in SHARED}
        _forget_widgets()
        session["url.page"] = page
        write(**parsed(brought | given).model_dump())
    elif given != session.get("url.written"):  # the browser's back button, or a link
        _forget_widgets()
        session["url.written"] = given


def _forget_widgets() -> None:
    for key in [key for key in st.session_state if str(key).startswith("url.")]:
        if key not in ("url.page", "url.written"):
            del st.session_state[key]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(name: str, text: str) -> Any:
    try:
        return getattr(UrlState.model_validate({name: text}), name)
    except ValidationError:
        return _clamped(UrlState.model_fields[name].default, _bounds(name), text)


def _bounds(name: str) -> dict[str, Any]:
    """Return the part of the schema with a number's type and range; empty for other types."""
    schema = UrlState.model_json_schema()["properties"][name]
    options = [schema, *schema.get("anyOf", [])]
    return next((option for option in options if "minimum" in option), {})


def _clamped(default: Any, bounds: dict[str, Any], text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return default
    if not bounds or math.isnan(number):
        return default
    nearest = min(max(number, bounds["minimum"]), bounds["maximum"])
    return int(nearest) if bounds["type"] == "integer" else nearest
