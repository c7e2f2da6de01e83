"""Stages: each turns the recipe of a run into files and metrics.

A module per stage, named like it, with a function `run`; `sparsifying` has three of them. This is
the only package that uses both models and the store.
"""

from collections.abc import Callable

from sparsekd.runs.records import Outcome, Stage
from sparsekd.stages import ablating, attributing, distil, export, finetune, measure, sparsifying
from sparsekd.stages.context import StageContext

STAGES: dict[Stage, Callable[[StageContext], Outcome]] = {
    "finetune": finetune.run,
    "distil": distil.run,
    "score": sparsifying.score,
    "prune": sparsifying.prune,
    "probe": sparsifying.probe,
    "ablate": ablating.ablate,
    "attribute": attributing.attribute,
    "export": export.run,
    "measure": measure.run,
}

__all__ = ["STAGES", "StageContext"]
