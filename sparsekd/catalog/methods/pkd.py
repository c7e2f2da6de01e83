"""Patient distillation (PKD): parameters and card."""

from typing import Literal

from pydantic import Field

from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.catalog.methods.vanilla import MixtureParams


class PKDParams(MixtureParams):
    """Parameters of patient distillation.

    Source: Sun et al., EMNLP 2019, arXiv 1908.09355.
    """

    match: Literal["skip", "last"] = Field(
        "skip",
        description="Teacher layers matched with the student's intermediate layers: every k-th "
        "(skip), or the last ones below the top (last).",
    )
    beta: float = Field(100.0, gt=0, le=1e5, description="β, weight of the [CLS] distance.")

    @property
    def labelled_only(self) -> bool:
        """Return whether every loss term needs the gold label: layers never do."""
        return False


CARD = MethodCard(
    name="pkd",
    title="Patient distillation (PKD)",
    source="Sun et al., EMNLP 2019, arXiv 1908.09355",
    year=2019,
    summary="Vanilla distillation plus the distance of [CLS] vectors at intermediate layers.",
    params=PKDParams,
    gold_terms=("hard",),
    least_layers=2,
    reads={"cls": "each"},
    variants={"last": Variant("PKD, the teacher's last layers", {"match": "last"})},
)
