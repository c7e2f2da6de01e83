"""Vanilla distillation: soft labels of one teacher mixed with the gold labels."""

from torch import Tensor

from sparsekd.errors import Incompatible
from sparsekd.knowledge.losses import soft_cross_entropy, squared_error, task_loss
from sparsekd.methods.base import Method, Progress, Seen, Setup
from sparsekd.parameters import VanillaParams


class Vanilla(Method):
    """α · (T² · soft cross-entropy) + (1 − α) · cross-entropy; squared errors for a regression.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code: α = ½, T = 2).
    """

    params: VanillaParams

    def prepare(self, setup: Setup) -> None:
        """Refuse anything but one teacher."""
        if setup.teacher_count != 1:
            raise Incompatible(
                f"Vanilla distillation learns from one teacher, not {setup.teacher_count}.",
                "Choose one teacher.",
            )

    def loss(self, seen: Seen, progress: Progress) -> dict[str, Tensor]:
        """The soft and the hard term, weighted by α and 1 − α."""
        alpha = self.params.alpha
        hard = task_loss(seen.student.logits, seen.labels)
        return {"soft": alpha * self.soft(seen), "hard": (1 - alpha) * hard}

    def soft(self, seen: Seen) -> Tensor:
        """Distance to the teacher's outputs, unweighted.

        Shapes: -> (B,).
        """
        student, teacher = seen.student.logits, seen.teachers[0].logits
        if seen.regression:
            return squared_error(student, teacher)
        return soft_cross_entropy(student, teacher, self.params.temperature)
