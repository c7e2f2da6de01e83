"""Vanilla distillation: parameters and card."""

from pydantic import Field

from sparsekd.catalog.method_card import MethodCard
from sparsekd.catalog.parameters import MethodParams


class VanillaParams(MethodParams):
    """Parameters of vanilla distillation.

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
)
