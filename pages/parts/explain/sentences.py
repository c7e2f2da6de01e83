"""Which example to look at: typed, drawn from the data, or where a unit matters most."""

import numpy as np
import streamlit as st
from scipy.special import softmax

from pages.parts.explain import ask_inspector, tokens
from pages.parts.shell import frame, url_state
from sparsekd.errors import BadInput
from sparsekd.inspector.protocol import (
    SampleRequest,
    SampleResponse,
    TopExamplesRequest,
    TopExamplesResponse,
)
from sparsekd.runs import references
from sparsekd.runs.records import Run
from sparsekd.system.wording import counted
from sparsekd.tasks import TaskCard

TYPED, DRAWN, WEIGHTIEST = "Typed", "Drawn from the data", "Where it matters most"
SHOWN = 110  # characters of a text in a menu
KEPT = 400  # characters of a text in a link
Texts = tuple[str, ...]


def choose(run: Run, card: TaskCard, unit: tuple[str, int, int] | None = None) -> Texts | None:
    """One example of the task; None until there is one.

    Args:
        unit: Kind, layer and number, where examples by their weight for it are offered.
    """
    state = url_state.read()
    ways = [TYPED, DRAWN, *([WEIGHTIEST] if unit else [])]
    key = "sentence.way"
    if st.session_state.get(key) not in ways:
        st.session_state[key] = TYPED if state.text else DRAWN
    way = st.segmented_control("Sentence", ways, required=True, key=key)
    if way == TYPED:
        texts = _typed(card)
    elif way == DRAWN or unit is None:
        texts = _drawn(run, card)
    else:
        texts = _weightiest(run, card, unit)
    _remember(texts)
    return texts


def _remember(texts: Texts | None) -> None:
    """A link carries the example, unless it is too long for one."""
    fits = texts is not None and all(len(text) <= KEPT for text in texts)
    text, pair = (*(texts or ()), "", "")[:2] if fits else ("", "")
    url_state.write(text=text, pair=pair)


def _typed(card: TaskCard) -> Texts | None:
    names = card.text if card.pair else ("Sentence",)
    keys = [url_state.bound(name) for name in ("text", "pair")[: len(names)]]
    texts = tuple(
        st.text_area(frame.plain(name), key=key, height=80)
        for name, key in zip(names, keys, strict=True)
    )
    if not all(text.strip() for text in texts):
        st.caption("Type a sentence." if len(texts) == 1 else "Type both texts.")
        return None
    return texts


def _drawn(run: Run, card: TaskCard) -> Texts:
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    if right.button("Draw others", icon=":material/casino:", key="sentence.again"):
        st.session_state["sentence.seed"] = st.session_state.get("sentence.seed", 0) + 1
    seed = st.session_state.get("sentence.seed", 0)
    found = ask_inspector.ask(
        SampleRequest.of({"task": run.recipe.task, "seed": seed}), SampleResponse
    )
    place = left.selectbox(
        "From the selection split", range(len(found.texts)), key=f"sentence.drawn.{seed}",
        format_func=lambda place: f"{_label(card, float(found.labels[place]))} · "
        f"{_short(found.texts[place])}",
    )  # fmt: skip
    return _told(found.texts[place])


def _weightiest(run: Run, card: TaskCard, unit: tuple[str, int, int]) -> Texts:
    kind, layer, index = unit
    found = ask_inspector.ask(weightiest(run, unit), TopExamplesResponse)
    st.caption(
        f"Of {found.examples:,} examples of the selection split, closing this {kind} changes the "
        f"answer to these most (by {found.mean:.3g} on average)."
    )
    place = st.selectbox(
        "Example", range(len(found.texts)), key=f"sentence.weighty.{kind}.{layer}.{index}",
        format_func=lambda place: f"{found.change[place]:.3f} · {_short(found.texts[place])}",
    )  # fmt: skip
    before, after = (_answer(card, each[place]) for each in (found.logits, found.masked_logits))
    st.markdown(
        f"Labelled {frame.plain(_label(card, float(found.labels[place])))}. The whole teacher says "
        f"**{before}**, without this {kind} **{after}**."
    )
    return _told(found.texts[place])


def weightiest(run: Run, unit: tuple[str, int, int]) -> TopExamplesRequest:
    """Return the request for the examples whose prediction changes most without a unit."""
    kind, layer, index = unit
    return TopExamplesRequest.of(
        {
            "task": run.recipe.task, "model": run.recipe.inputs["teacher"], "unit": kind,
            "layer": layer, "index": index, "max_length": run.recipe.params["max_length"],
        }
    )  # fmt: skip


def _told(texts: list[str]) -> Texts:
    """The whole example, as text and nothing else."""
    for text in texts:
        st.text(text)
    return tuple(texts)


def _short(texts: list[str]) -> str:
    return tokens.shortened(" ‖ ".join(" ".join(text.split()) for text in texts), SHOWN)


def _label(card: TaskCard, label: float) -> str:
    return card.labels[int(label)] if card.labels else f"{label:.2f}"


def _answer(card: TaskCard, logits: np.ndarray) -> str:
    if not card.labels:
        return f"{float(logits[0]):.2f}"
    shares = softmax(logits.astype(float))
    best = int(shares.argmax())
    return f"{frame.plain(card.labels[best])} ({shares[best]:.1%})"


def say_how_read(cut: int, unknown: int, count: int) -> None:
    """What the tokenizer did to the example, where it is worth saying."""
    if cut:
        st.warning(
            f"The text is {cut + count:,} tokens long; the model reads the first {count:,}.",
            icon=":material/content_cut:",
        )
    if unknown:
        st.caption(
            f":material/help: {counted(unknown, 'token')} unknown to the tokenizer: the "
            "model sees only that something stands there."
        )


def card_of(run: Run) -> TaskCard:
    """The card of a run's task.

    Raises:
        BadInput: its folder is no longer on the menu.
    """
    card = references.cards().get(run.recipe.task)
    if card is None:
        raise BadInput(f"The task {run.recipe.task} is not on the menu.", "Register it again.")
    return card
