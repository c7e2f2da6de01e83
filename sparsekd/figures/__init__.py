"""Pictures of a trade-off study, drawn by the page and by the report alike.

Each takes a frame of `sparsekd.studies.sweep_results` and a `look`: colours for a light or a dark
page. What a picture shows in words, for those who cannot see it, stands beside it as `…_in_words`.
"""

from sparsekd.figures.costs import costs, costs_in_words
from sparsekd.figures.curves import of_method, quality, quality_in_words
from sparsekd.figures.fronts import pareto, pareto_in_words
from sparsekd.figures.grids import grid, grid_in_words
from sparsekd.figures.looks import CONFIG, DARK, LIGHT, Look
from sparsekd.figures.parallels import parallel, parallel_in_words, wide
from sparsekd.figures.stabilities import stability, stability_in_words

__all__ = [
    "CONFIG",
    "DARK",
    "LIGHT",
    "Look",
    "costs",
    "costs_in_words",
    "grid",
    "grid_in_words",
    "of_method",
    "parallel",
    "parallel_in_words",
    "pareto",
    "pareto_in_words",
    "quality",
    "quality_in_words",
    "stability",
    "stability_in_words",
    "wide",
]
