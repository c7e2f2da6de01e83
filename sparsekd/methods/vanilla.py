"""Vanilla distillation: a mixture of one teacher's soft labels and the gold labels."""

from torch import Tensor

from sparsekd.catalog.methods.vanilla import MixtureParams
from sparsekd.methods.base import (
    BatchOutputs,
    Method,
    Setup,
    TrainingProgress,
    gold_label_loss,
    pseudo_label_loss,
    require_one_teacher,
    soft_label_loss,
)


class Vanilla(Method):
    """α · (T² · soft cross-entropy) + (1 − α) · cross-entropy; squared errors for a regression.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code: α = ½, T = 2).
    """

    title = "Vanilla distillation"
    by_example = True
    params: MixtureParams

    def prepare(self, setup: Setup) -> None:
        """Check that there is one teacher.

        Raises:
            Incompatible: there is none, or there are several.
        """
        require_one_teacher(self.title, setup)

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return the terms "soft" and "hard", weighted by α and 1 − α; a weight of 0 drops one.

        In place of "soft", "pseudo" is the cross-entropy on the teacher's most probable class.
        """
        alpha, terms = self.params.alpha, {}
        if alpha and self.params.answer_control == "labels":
            terms["pseudo"] = alpha * pseudo_label_loss(outputs)
        elif alpha:
            terms["soft"] = alpha * soft_label_loss(outputs, self.params.temperature)
        if alpha < 1:
            terms["hard"] = (1 - alpha) * gold_label_loss(outputs)
        return terms
