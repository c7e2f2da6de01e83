"""Stages: each turns the recipe of a run into files and metrics, in a module of its name.

The only package that uses both models and the store.
"""

from collections.abc import Callable

from sparsekd.runs.records import Outcome, Stage
from sparsekd.stages import (
    ablate,
    attribute,
    baseline,
    distil,
    export,
    finetune,
    measure,
    probe,
    prune,
    score,
)
from sparsekd.stages.context import StageContext

STAGES: dict[Stage, Callable[[StageContext], Outcome]] = {
    "finetune": finetune.run,
    "distil": distil.run,
    "baseline": baseline.run,
    "score": score.run,
    "prune": prune.run,
    "probe": probe.run,
    "ablate": ablate.run,
    "attribute": attribute.run,
    "export": export.run,
    "measure": measure.run,
}

__all__ = ["STAGES", "StageContext"]
