"""Fine-tuning: the gold labels alone."""

from torch import Tensor

from sparsekd.knowledge.losses import task_loss
from sparsekd.methods.base import BatchOutputs, Method, TrainingProgress


class FineTuning(Method):
    """The task loss; teachers are not looked at."""

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Cross-entropy, or squared error for a regression."""
        return {"hard": task_loss(outputs.student.logits, outputs.labels)}
