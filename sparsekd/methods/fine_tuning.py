"""Fine-tuning on the gold labels, without a teacher."""

from torch import Tensor

from sparsekd.methods.base import BatchOutputs, Method, TrainingProgress, gold_label_loss


class FineTuning(Method):
    """The task loss alone, on the labelled examples; teachers are ignored."""

    by_example = True

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return the cross-entropy, or the squared error of a regression."""
        return {"hard": gold_label_loss(outputs)}
