"""The example to look at: typed, sampled from the data, or one that a unit matters for."""

import streamlit as st

from pages.parts.explain.ask_inspector import ask
from pages.parts.shell import frame, url_state
from sparsekd.inspector import requests, token_text
from sparsekd.inspector.protocol import SampleResponse, TopExamplesResponse
from sparsekd.inspector.requests import Texts, Unit
from sparsekd.runs.records import Run
from sparsekd.system.wording import counted
from sparsekd.tasks import TaskCard
from sparsekd.tasks.predictions import confidence_text, label_text, predicted

TYPED, SAMPLED, TOP = "Typed", "From the data", "Most affected by this unit"
SHOWN = 110  # characters of a text in a menu
KEPT = 400  # characters of a text in a link


def choose_example(run: Run, card: TaskCard, unit: Unit | None = None) -> Texts | None:
    """Choose one example of the task; None until there is one.

    Args:
        unit: Kind, layer and number, to offer the examples that it matters for.
    """
    sources = [TYPED, SAMPLED, *([TOP] if unit else [])]
    key = "example.source"
    if st.session_state.get(key) not in sources:
        st.session_state[key] = TYPED if url_state.read().text else SAMPLED
    source = st.segmented_control("Sentence", sources, required=True, key=key)
    if source == TYPED:
        texts = _choose_typed(card)
    elif source == SAMPLED or unit is None:
        texts = _choose_sampled(run, card)
    else:
        texts = _choose_top(run, card, unit)
    _write_link(texts)
    return texts


def _write_link(texts: Texts | None) -> None:
    """Put the example into the address bar, unless it is too long for a link."""
    fits = texts is not None and all(len(text) <= KEPT for text in texts)
    text, pair = (*(texts or ()), "", "")[:2] if fits else ("", "")
    url_state.write(text=text, pair=pair)


def _choose_typed(card: TaskCard) -> Texts | None:
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


def _choose_sampled(run: Run, card: TaskCard) -> Texts:
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    if right.button("Sample again", icon=":material/casino:", key="example.again"):
        st.session_state["example.seed"] = st.session_state.get("example.seed", 0) + 1
    seed = st.session_state.get("example.seed", 0)
    found = ask(requests.sample(run, seed), SampleResponse)

    def label(place: int) -> str:
        text = token_text.one_line(found.texts[place], SHOWN)
        return f"{label_text(card, found.labels[place])} · {text}"

    place = left.selectbox(
        "From the selection split",
        range(len(found.texts)),
        key=f"example.sampled.{seed}",
        format_func=label,
    )
    return _draw_texts(found.texts[place])


def _choose_top(run: Run, card: TaskCard, unit: Unit) -> Texts:
    kind, layer, index = unit
    found = ask(requests.top_examples(run, unit), TopExamplesResponse)
    st.caption(
        f"Of {found.examples:,} examples of the selection split, removing this {kind} changes the "
        f"prediction for these most (by {found.mean:.3g} on average)."
    )

    def label(place: int) -> str:
        return f"{found.change[place]:.3f} · {token_text.one_line(found.texts[place], SHOWN)}"

    place = st.selectbox(
        "Example",
        range(len(found.texts)),
        key=f"example.top.{kind}.{layer}.{index}",
        format_func=label,
    )
    before, after = (
        frame.plain(predicted(card, logits[place])) + confidence_text(card, logits[place])
        for logits in (found.logits, found.masked_logits)
    )
    st.markdown(
        f"Label: {frame.plain(label_text(card, found.labels[place]))}. The whole teacher "
        f"predicts **{before}**, without this {kind} **{after}**."
    )
    return _draw_texts(found.texts[place])


def _draw_texts(texts: list[str]) -> Texts:
    """Draw the whole example, as text without markup."""
    for text in texts:
        st.text(text)
    return tuple(texts)


def draw_tokenizer_notes(cut: int, unknown: int, count: int) -> None:
    """Draw how many tokens were cut off or are unknown, if any."""
    if cut:
        st.warning(
            f"The text is {cut + count:,} tokens long; the model reads the first {count:,}.",
            icon=":material/content_cut:",
        )
    if unknown:
        st.caption(
            f":material/help: {counted(unknown, 'token')} unknown to the tokenizer: the "
            "model sees a placeholder."
        )
