"""Stages: from a recipe to files and metrics. The one floor that joins models and the store."""

from collections.abc import Callable

from sparsekd.runs.records import Outcome, Stage
from sparsekd.stages.ablating import ablate
from sparsekd.stages.attributing import attribute
from sparsekd.stages.context import Desk
from sparsekd.stages.exporting import export
from sparsekd.stages.learning import distil, distil_together, finetune
from sparsekd.stages.measuring import measure
from sparsekd.stages.sparsifying import probe, prune, score

STAGES: dict[Stage, Callable[[Desk], Outcome]] = {
    "finetune": finetune,
    "distil": distil,
    "score": score,
    "prune": prune,
    "probe": probe,
    "ablate": ablate,
    "attribute": attribute,
    "export": export,
    "measure": measure,
}

__all__ = ["STAGES", "Desk", "distil_together"]
