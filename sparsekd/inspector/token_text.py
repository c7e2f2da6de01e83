"""Tokens as text on charts and in tables, whatever the data holds."""

import html
from collections.abc import Sequence

LONGEST = 18


def tick(token: str, special: bool = False) -> str:
    """Return a token as a tick of a chart; special ones are in italics.

    Plotly reads a few HTML tags in its labels: what looks like one in the data is escaped.
    """
    shown = html.escape(shortened(visible(token)), quote=False)
    return f"<i>{shown}</i>" if special else shown


def ticks(tokens: Sequence[str], special: Sequence[bool]) -> list[str]:
    """Return every token as a tick of a chart."""
    return [tick(token, is_special) for token, is_special in zip(tokens, special, strict=True)]


def visible(token: str) -> str:
    """Replace characters that cannot be seen by their code points."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in token)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def numbered(tokens: Sequence[str]) -> list[str]:
    """Return distinct names for the rows and columns of a table."""
    return [f"{place} {visible(token)}" for place, token in enumerate(tokens, start=1)]


def joined(tokens: Sequence[str], marked: int) -> str:
    """Join tokens to a running text, one of them in brackets; word pieces are put together."""
    words = ""
    for place, token in enumerate(tokens):
        piece = token.startswith("##") and len(token) > 2
        bare = visible(token.removeprefix("##") if piece else token)
        shown = f"⟦{bare}⟧" if place == marked else bare
        words += shown if piece or not words else f" {shown}"
    return words


def one_line(texts: Sequence[str], longest: int) -> str:
    """Return an example, of one text or two, in one line of a menu."""
    return shortened(" ‖ ".join(" ".join(text.split()) for text in texts), longest)


def wrapped(name: str, width: int = 12, longest: int = 60) -> str:
    """Return a column's name as short lines of a chart's label."""
    lines = [""]
    for word in name[:longest].split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(tick(line) for line in lines)
