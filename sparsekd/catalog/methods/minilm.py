"""MiniLM-style relations: parameters and card."""

from pydantic import Field

from sparsekd.catalog.method_card import MethodCard
from sparsekd.catalog.methods.vanilla import MixtureParams


class MiniLMParams(MixtureParams):
    """Parameters of MiniLM-style distillation.

    Source: Wang et al., NeurIPS 2020, arXiv 2002.10957; the mixture is a choice of this project.
    """

    relation_weight: float = Field(
        1.0, gt=0, le=1000, description="Weight of the attention and value-relation terms."
    )

    @property
    def labelled_only(self) -> bool:
        """Return whether every loss term needs the gold label: layers never do."""
        return False


CARD = MethodCard(
    name="minilm",
    title="MiniLM-style relations",
    source="Wang et al., NeurIPS 2020, arXiv 2002.10957",
    year=2020,
    summary="Vanilla distillation plus the last layer's attention and value relations.",
    params=MiniLMParams,
    reads={"attention": "one", "values": "one"},
    gold_terms=("hard",),
)
