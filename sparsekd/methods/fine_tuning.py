"""Fine-tuning: the gold labels alone."""

from torch import Tensor

from sparsekd.knowledge.losses import task_loss
from sparsekd.methods.base import Method, Progress, Seen


class FineTuning(Method):
    """The task loss; teachers are not looked at."""

    def loss(self, seen: Seen, progress: Progress) -> dict[str, Tensor]:
        """Cross-entropy, or squared error for a regression."""
        return {"hard": task_loss(seen.student.logits, seen.labels)}
