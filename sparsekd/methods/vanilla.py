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

    title = "Vanilla distillation"
    params: VanillaParams

    def prepare(self, setup: Setup) -> None:
        """Refuse anything but one teacher."""
        one_teacher(self.title, setup)

    def loss(self, seen: Seen, progress: Progress) -> dict[str, Tensor]:
        """The soft and the hard term, weighted by α and 1 − α; a weight of 0 drops its term."""
        alpha = self.params.alpha
        terms = {"soft": alpha * soft_labels(seen, self.params.temperature)} if alpha else {}
        if alpha < 1:
            terms["hard"] = (1 - alpha) * task_loss(seen.student.logits, seen.labels)
        return terms


def one_teacher(title: str, setup: Setup) -> None:
    """Refuse anything but one teacher.

    Raises:
        Incompatible: there is none, or there are several.
    """
    if setup.teacher_count != 1:
        raise Incompatible(
            f"{title} learns from one teacher, not {setup.teacher_count}.", "Choose one teacher."
        )


def soft_labels(seen: Seen, temperature: float) -> Tensor:
    """Distance to the first teacher's outputs: soft cross-entropy, or squared error.

    Shapes: -> (B,).
    """
    student, teacher = seen.student.logits, seen.teachers[0].logits
    if seen.regression:
        return squared_error(student, teacher)
    return soft_cross_entropy(student, teacher, temperature)
