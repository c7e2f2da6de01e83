"""Results of a sweep: its runs as frames, the conclusion for each method, mask stability, costs.

Choosing happens on the selection split alone; numbers are reported on another split, once.
"""

from sparsekd.studies.sweeps.sweep_results.choosing import Choice
from sparsekd.studies.sweeps.sweep_results.conclusion import Conclusion, conclusions, methods
from sparsekd.studies.sweeps.sweep_results.frames import curve, grid, students, teachers
from sparsekd.studies.sweeps.sweep_results.fronts import front
from sparsekd.studies.sweeps.sweep_results.overlaps import stability
from sparsekd.studies.sweeps.sweep_results.progress import costs, unfinished

__all__ = [
    "Choice",
    "Conclusion",
    "conclusions",
    "costs",
    "curve",
    "front",
    "grid",
    "methods",
    "stability",
    "students",
    "teachers",
    "unfinished",
]
