"""What a trade-off study has found: its runs as frames, choices, verdicts, stability, costs.

Choosing happens on the selection split alone; numbers are reported on another split, once.
"""

from sparsekd.studies.sweep_results.accounts import costs, unfinished
from sparsekd.studies.sweep_results.answer import sentence
from sparsekd.studies.sweep_results.choosing import Choice, choices, verdicts
from sparsekd.studies.sweep_results.frames import curve, grid, students, teachers
from sparsekd.studies.sweep_results.fronts import front
from sparsekd.studies.sweep_results.overlaps import stability

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
