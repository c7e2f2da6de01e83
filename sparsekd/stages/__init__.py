"""Stages: each turns the recipe of a run into files and metrics.

The only package that uses both models and the store.
"""

from collections.abc import Callable

from sparsekd.runs.records import Outcome, Stage
from sparsekd.stages import ablating, attributing, export, measure, sparsifying, training
from sparsekd.stages.context import StageContext
from sparsekd.stages.training import distil_together

STAGES: dict[Stage, Callable[[StageContext], Outcome]] = {
    "finetune": training.finetune,
    "distil": training.distil,
    "score": sparsifying.score,
    "prune": sparsifying.prune,
    "probe": sparsifying.probe,
    "ablate": ablating.ablate,
    "attribute": attributing.attribute,
    "export": export.run,
    "measure": measure.run,
}

__all__ = ["STAGES", "StageContext", "distil_together"]
