"""Vanilla distillation: parameters and card."""

from typing import Literal

from pydantic import Field

from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.catalog.parameters import AnswerControl, MethodParams


class MixtureParams(MethodParams):
    """Parameters of a mixture of soft and gold labels.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code); Hinton et al. 2015.
    """

    temperature: float = Field(
        2.0, ge=1, le=20, description="Softmax temperature of student and teacher."
    )
    alpha: float = Field(
        0.5, ge=0, le=1, description="Weight of the soft labels; the gold labels have 1 − α."
    )

    @property
    def labelled_only(self) -> bool:
        """Return whether every loss term needs the gold label: the soft labels have no weight."""
        return self.alpha == 0


class VanillaParams(MixtureParams):
    """Parameters of vanilla distillation and of its controls.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code); the smoothed labels
    are those of Yuan et al., CVPR 2020, arXiv 1909.11723, at the teacher's confidence.
    """

    later = ("answers", "texts")

    answers: Literal[
        "probabilities", "labels", "shuffled", "untrained", "smoothed", "matched_entropy"
    ] = Field(
        "probabilities",
        description="What is learned from the teacher: its softened probabilities; labels: its "
        "most probable class (hard pseudo-labels, no temperature). Or a control. shuffled: its "
        "probabilities for other texts, shuffled by seed; untrained: those of a model of its shape "
        "with random weights; smoothed: the gold label with the teacher's mean confidence, the "
        "rest spread evenly (label smoothing); matched_entropy: of a sparse teacher those of the "
        "dense one, at the temperature at which their mean entropy on the training texts is the "
        "sparse one's: is it more than softer?",
    )
    texts: Literal["all", "labelled"] = Field(
        "all", description="Training texts that are learned from: all, or those with a gold label."
    )

    @property
    def labelled_only(self) -> bool:
        """Return whether only labelled examples are used."""
        only = self.texts == "labelled" or self.answers == "smoothed"
        return only or super().labelled_only

    @property
    def answer_control(self) -> AnswerControl | None:
        """Return what takes the place of the teacher's probabilities; None where nothing does."""
        return None if self.answers == "probabilities" else self.answers


CARD = MethodCard(
    name="vanilla",
    title="Vanilla distillation",
    source="Hinton, Vinyals, Dean, 2015, arXiv 1503.02531; "
    "in the form of Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923",
    year=2015,
    summary="Cross-entropy on the teacher's softened probabilities and on the gold labels.",
    params=VanillaParams,
    gold_terms=("hard",),
    stacks=True,
    variants={
        "labelled_texts": Variant("Vanilla, labelled texts only", {"texts": "labelled"}),
        "pseudo_labels": Variant("Vanilla, hard pseudo-labels", {"answers": "labels"}),
        "label_smoothing": Variant(
            "Label smoothing of the teacher's confidence", {"answers": "smoothed"}
        ),
        "shuffled": Variant("Vanilla, answers shuffled over the texts", {"answers": "shuffled"}),
        "untrained": Variant("Vanilla, untrained teacher", {"answers": "untrained"}),
        "matched_entropy": Variant(
            "Vanilla, dense teacher as soft as the sparse one", {"answers": "matched_entropy"}
        ),
    },
)
