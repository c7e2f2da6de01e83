"""Stages: from a recipe to files and metrics. The one floor that joins models and the store."""

from collections.abc import Callable

from sparsekd.records import Outcome, Stage
from sparsekd.stages.desk import Desk
from sparsekd.stages.learning import distil, finetune
from sparsekd.stages.sparsifying import probe, prune, score

STAGES: dict[Stage, Callable[[Desk], Outcome]] = {
    "finetune": finetune,
    "distil": distil,
    "score": score,
    "prune": prune,
    "probe": probe,
}

__all__ = ["STAGES", "Desk"]
