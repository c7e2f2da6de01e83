"""How fast the product is, as ratios measured side by side in one process."""

from typing import TypedDict


class Row(TypedDict):
    """One line of the bench: a ratio (no unit), what it compares, and on what it was measured."""

    what: str
    ratio: float
    note: str
