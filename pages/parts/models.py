"""A model that somebody types, as a recipe stores it."""

import re

from pages.parts import frame
from sparsekd import references
from sparsekd.errors import BadInput

HUB_ID = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")


def hub(text: str) -> str:
    """A model of the hub.

    Raises:
        BadInput: not the form of a hub id.
    """
    if not HUB_ID.fullmatch(text):
        raise BadInput(
            f"{text!r} is no hub id.", "Hub ids look like google-bert/bert-base-uncased."
        )
    return f"hub:{text}"


def typed(text: str) -> str:
    """A local folder or a hub id; from visitors of other machines a hub id only.

    Raises:
        BadInput, NotFound: no such folder, or no checkpoint in it; not the form of a hub id.
    """
    return references.model(text) if text and frame.local_visitors() else hub(text)
