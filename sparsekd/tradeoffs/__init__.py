"""What a trade-off study has found: its runs as frames, choices, verdicts, stability, costs.

Choosing happens on the selection split alone; numbers are reported on another split, once.
"""

from sparsekd.tradeoffs.accounts import costs, unfinished
from sparsekd.tradeoffs.answer import sentence
from sparsekd.tradeoffs.choosing import Choice, choices, verdicts
from sparsekd.tradeoffs.frames import curve, grid, students, teachers
from sparsekd.tradeoffs.fronts import front
from sparsekd.tradeoffs.overlaps import stability

__all__ = [
    "Choice",
    "choices",
    "costs",
    "curve",
    "front",
    "grid",
    "sentence",
    "stability",
    "students",
    "teachers",
    "unfinished",
    "verdicts",
]
