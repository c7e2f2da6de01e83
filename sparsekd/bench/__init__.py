"""Benchmarks: ratios of times, measured side by side in one process."""

from typing import TypedDict


class Row(TypedDict):
    """One result: a ratio without a unit, what it compares, and on what it was measured."""

    what: str
    ratio: float
    note: str
