"""Requests to the inspector from a page: a caption shows the status, a click ends the wait."""

from typing import TypeVar

import streamlit as st

from pages.parts.shell import frame
from sparsekd.errors import SparseKDError
from sparsekd.inspector import client
from sparsekd.inspector.protocol import Request, Response

ResponseT = TypeVar("ResponseT", bound=Response)


def ask(request: Request, response_type: type[ResponseT]) -> ResponseT:
    """Return the response; show a status line while waiting.

    Raises:
        SparseKDError: as `client.send`.
    """
    place = st.empty()

    def waiting(words: str) -> None:
        # Each call is also where Streamlit ends this run of the script after another click.
        place.caption(f":material/hourglass_top: {frame.plain(words)} …")

    try:
        found = client.send(request, response_type, waiting)
    except SparseKDError:
        place.empty()
        raise
    place.empty()
    return found
