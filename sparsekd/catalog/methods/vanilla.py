"""Vanilla distillation: parameters and card."""

from pydantic import Field

from sparsekd.catalog.card import Card
from sparsekd.catalog.parameters import MethodParams


class VanillaParams(MethodParams):
    """Soft labels of the teacher mixed with the gold labels.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code); Hinton et al. 2015.
    """

    temperature: float = Field(
        2.0, ge=1, le=20, description="Softens both distributions; 1 leaves them as they are."
    )
    alpha: float = Field(
        0.5, ge=0, le=1, description="Weight of the soft labels; 1 − α goes to the gold labels."
    )


CARD = Card(
    name="vanilla",
    title="Vanilla distillation",
    source="Hinton, Vinyals, Dean, 2015, arXiv 1503.02531; "
    "in the form of Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923",
    year=2015,
    summary="The teacher's softened class probabilities mixed with the gold labels.",
    params=VanillaParams,
    stacks=True,
)
