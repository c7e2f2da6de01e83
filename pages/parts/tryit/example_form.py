"""The form of a sentence of one's own, or of a pair of texts."""

import numpy as np
import pandas as pd
import streamlit as st

from pages.parts.compare import example_texts
from pages.parts.shell import frame, sample_store, url_state
from sparsekd.inspector.requests import Texts
from sparsekd.studies import sample
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.predictions import label_text

KEPT = 400  # characters of a text in a link
FIELDS = ("text", "pair")
DRAWN = "tryit.drawn"  # examples drawn so far
FIRST = "tryit.first"  # the sample was opened with its example


def draw_example(card: TaskCard) -> Texts | None:
    """Draw a box for each text of an example; return the texts, None until all are there."""
    fields = FIELDS[: len(card.text)]
    names = card.text if card.pair else ("Sentence",)
    keys = [url_state.bound(field) for field in fields]
    if sample_store.shown() and card.name == sample.TASK and FIRST not in st.session_state:
        st.session_state[FIRST] = True
        st.session_state[keys[0]] = st.session_state[keys[0]] or sample.EXAMPLE
    with st.form("tryit.form", border=False):
        for name, key in zip(names, keys, strict=True):
            st.text_area(frame.plain(name), key=key, height=80)
        with st.container(horizontal=True):
            asked = st.form_submit_button("Ask the models", type="primary", icon=":material/send:")
            st.form_submit_button(
                "An example from the task",
                icon=":material/casino:",
                on_click=_draw_one,
                args=(card,),
            )
    texts = tuple(str(st.session_state[key]).strip() for key in keys)
    _write_link(texts)
    if all(texts):
        return texts
    if asked:
        what = "Both texts are needed." if card.pair else "The text is empty."
        st.warning(f"{what} Type {_wanted(card)}.", icon=":material/edit:")
    else:
        st.caption(f"Type {_wanted(card)}, or take an example from the task.")
    return None


def put(texts: Texts) -> None:
    """Put texts into the boxes; before these are drawn, as in a callback."""
    for field, text in zip(FIELDS, texts, strict=False):
        st.session_state[f"url.{field}"] = text


def _draw_one(card: TaskCard) -> None:
    """Put the next example of the task's held-out texts into the boxes, in an order of its own."""
    texts = example_texts.split_texts(card, card.validation[0])
    if texts is None or texts.empty:
        return
    number = st.session_state.get(DRAWN, 0)
    st.session_state[DRAWN] = number + 1
    row = np.random.default_rng(0).permutation(len(texts))[number % len(texts)]
    put(texts_of(texts.iloc[row]))


def texts_of(row: "pd.Series[str]") -> Texts:
    """Return the text of a row, or its pair of texts."""
    return tuple(str(row[field]) for field in FIELDS if field in row)


def draw_gold(card: TaskCard, texts: Texts) -> None:
    """Draw the gold label of texts that are an example of the task's held-out ones."""
    known = example_texts.split_texts(card, card.validation[0])
    if known is None:
        return
    same = known["text"].astype(str).str.strip() == texts[0]
    if card.pair:
        same &= known["pair"].astype(str).str.strip() == texts[1]
    if same.any():
        gold = label_text(card, known["label"].to_numpy()[same][0])
        st.caption(f"Of {frame.plain(card.validation[0])}: the gold label is {frame.plain(gold)}.")


def _wanted(card: TaskCard) -> str:
    if card.pair:
        return f"{frame.plain(card.text[0])} and {frame.plain(card.text[1])}"
    return "a sentence of your own"


def _write_link(texts: Texts) -> None:
    """Put the texts into the address bar, unless they are too long for a link."""
    fits = all(len(text) <= KEPT for text in texts)
    text, pair = (*texts, "")[:2] if fits else ("", "")
    url_state.write(text=text, pair=pair)
