"""Questions to the inspector from a page: what is waited for is said, and a click ends the wait."""

from typing import TypeVar

import streamlit as st

from pages.parts.shell import frame
from sparsekd.errors import SparseKDError
from sparsekd.inspector import client
from sparsekd.inspector.protocol import Answer, Question

Kind = TypeVar("Kind", bound=Answer)


def ask(question: Question, answer: type[Kind]) -> Kind:
    """The answer; while it is not there, a line says why.

    Raises:
        SparseKDError: as `asking.ask`.
    """
    place = st.empty()

    def waiting(words: str) -> None:
        # Each call is also where Streamlit ends this run of the script after another click.
        place.caption(f":material/hourglass_top: {frame.plain(words)} …")

    try:
        found = client.ask(question, answer, waiting)
    except SparseKDError:
        place.empty()
        raise
    place.empty()
    return found
