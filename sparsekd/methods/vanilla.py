"""Vanilla distillation: soft labels of one teacher mixed with the gold labels."""

from torch import Tensor

from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.knowledge.losses import task_loss
from sparsekd.methods.base import Method, Progress, Seen, Setup, one_teacher, soft_labels


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
