"""Figures of studies and sweeps, for the pages and the report.

Each takes a frame of `sparsekd.studies` and a theme, for a light or a dark
page; `…_in_words` gives its alternative text.
"""

from sparsekd.figures.agreements import agreements, agreements_in_words
from sparsekd.figures.class_gaps import class_gaps, class_gaps_in_words
from sparsekd.figures.costs import costs, costs_in_words
from sparsekd.figures.curves import of_method, quality, quality_in_words
from sparsekd.figures.fronts import pareto, pareto_in_words
from sparsekd.figures.grids import grid, grid_in_words
from sparsekd.figures.label_curves import label_curves, label_curves_in_words
from sparsekd.figures.parallels import parallel, parallel_in_words, wide
from sparsekd.figures.reliabilities import reliabilities, reliabilities_in_words
from sparsekd.figures.stabilities import stability, stability_in_words
from sparsekd.figures.theme import CONFIG, DARK, LIGHT, Theme

__all__ = [
    "CONFIG",
    "DARK",
    "LIGHT",
    "Theme",
    "agreements",
    "agreements_in_words",
    "class_gaps",
    "class_gaps_in_words",
    "costs",
    "costs_in_words",
    "grid",
    "grid_in_words",
    "label_curves",
    "label_curves_in_words",
    "of_method",
    "parallel",
    "parallel_in_words",
    "pareto",
    "pareto_in_words",
    "quality",
    "quality_in_words",
    "reliabilities",
    "reliabilities_in_words",
    "stability",
    "stability_in_words",
    "wide",
]
