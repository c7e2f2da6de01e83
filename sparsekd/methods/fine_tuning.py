"""Fine-tuning on the gold labels, without a teacher."""

from torch import Tensor

from sparsekd.knowledge.losses import task_loss
from sparsekd.methods.base import BatchOutputs, Method, TrainingProgress


class FineTuning(Method):
    """The task loss alone; teachers are ignored."""

    by_example = True

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return the cross-entropy, or the squared error of a regression."""
        return {"hard": task_loss(outputs.student.logits, outputs.labels)}
