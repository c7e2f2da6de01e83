"""Tokens on charts and in tables: always text, whatever the data holds."""

import html
from collections.abc import Sequence

LONGEST = 18


def label(token: str, special: bool = False) -> str:
    """A token as a tick of a chart; special ones are in italics.

    Plotly reads a few HTML tags in its labels: what looks like one in the data is escaped.
    """
    shown = html.escape(shortened(visible(token)), quote=False)
    return f"<i>{shown}</i>" if special else shown


def visible(token: str) -> str:
    """Characters that cannot be seen, by their code points."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in token)


def shortened(text: str, longest: int = LONGEST) -> str:
    """The beginning of a long text."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def numbered(tokens: Sequence[str]) -> list[str]:
    """Names that differ, for the rows and columns of a table."""
    return [f"{place} {visible(token)}" for place, token in enumerate(tokens, start=1)]


def joined(tokens: Sequence[str], marked: int) -> str:
    """Tokens as a running text, one of them in brackets; word pieces are put together."""
    words = ""
    for place, token in enumerate(tokens):
        piece = token.startswith("##") and len(token) > 2
        bare = visible(token.removeprefix("##") if piece else token)
        shown = f"⟦{bare}⟧" if place == marked else bare
        words += shown if piece or not words else f" {shown}"
    return words
