"""The sample study on the pages: shown until there is something of one's own, or on request."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from pages.parts.shell import url_state
from sparsekd.runs import sample, store

KEY = "store"  # in the session: the folder of the store that is read; None: one's own
LEFT = "store.left"


def choose_store() -> None:
    """Choose the store that pages read.

    The sample's where the address asks for it, or where nothing of one's own is there yet.
    """
    left = st.session_state.pop(LEFT, False)
    if not sample.is_there():
        st.session_state[KEY] = None
        return
    asked = url_state.read().sample and not left
    if left:
        url_state.write(sample=False)
    st.session_state[KEY] = sample.unpack() if asked or not store.newest() else None


def show() -> None:
    """Show the sample for the rest of this run of the script."""
    st.session_state[KEY] = sample.unpack()


def hide() -> None:
    """Show one's own store for the rest of this run of the script."""
    st.session_state[KEY] = None


def leave() -> None:
    """End this visitor's look at the sample: something of one's own was launched."""
    st.session_state[LEFT] = True


def shown() -> Path | None:
    """Return the folder of the sample's store where the pages show it; None on one's own."""
    found: Path | None = st.session_state.get(KEY)
    return found


@contextmanager
def reading_chosen() -> Iterator[None]:
    """Read the chosen store while the block lasts."""
    with store.reading(shown()):
        yield


def draw_switch() -> None:
    """Draw, in the sidebar, the way to the sample and back."""
    if not sample.is_there():
        return
    folder = shown()
    if folder is None:
        if st.button("Look at the sample study", icon=":material/science:", type="tertiary"):
            url_state.jump(sample=True, study="", run="", teacher="", scores="")
        return
    st.info("The sample study is shown.", icon=":material/science:")
    with store.reading(None):
        own = store.newest() > 0
    if own and st.button("Back to my studies", icon=":material/arrow_back:", type="tertiary"):
        url_state.jump(sample=False, study="", run="", teacher="", scores="")


def draw_note() -> None:
    """Say, under a page's name, that it shows the sample, and when and on what that was made."""
    folder = shown()
    if folder is not None:
        st.caption(
            f":material/science: **Sample study**: {sample.facts(folder).in_words()}. Nothing of "
            "it can be changed; what you launch here is trained anew and is yours."
        )
