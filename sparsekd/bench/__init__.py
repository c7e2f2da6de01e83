"""Benchmarks: ratios of times, measured side by side in one process."""

from typing import Literal, NotRequired, TypedDict

Bench = Literal[
    "peak",
    "masks",
    "scores",
    "predictions",
    "predict",
    "finetuning",
    "distillation",
    "ablation",
    "probe",
    "methods",
    "students",
    "memory",
    "variants",
    "compiled",
]
Size = Literal["demo", "minilm", "base"]
"""Sizes of models with random weights; the demo model is the smallest."""


class Row(TypedDict):
    """One result: a ratio without a unit, what it compares, and on what it was measured.

    `share` is the measured peak's share that the work reached, from 0 to 1, where its operations
    can be counted.
    """

    what: str
    ratio: float
    note: str
    share: NotRequired[float]


def line(row: Row) -> str:
    """Return a result as one line of text."""
    share = f", {row['share']:.2%} of the peak" if "share" in row else ""
    return f"{row['ratio']:8.2f} ×  {row['what']}{share}   {row['note']}"
