"""TinyBERT: parameters and card."""

from pydantic import Field

from sparsekd.catalog.card import Card
from sparsekd.catalog.parameters import MethodParams


class TinyBERTParams(MethodParams):
    """First the inner states, then the soft labels.

    Source: Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351; the share is ours.
    """

    inner_share: float = Field(
        0.5, gt=0, lt=1, description="Share of the steps that stage 1, the inner states, takes."
    )
    temperature: float = Field(
        1.0, ge=1, le=20, description="Softens both distributions in stage 2."
    )


CARD = Card(
    name="tinybert",
    title="TinyBERT (task stages)",
    source="Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351",
    year=2020,
    summary="First attention scores and hidden states, then the soft labels. Without "
    "TinyBERT's general distillation and augmented data.",
    params=TinyBERTParams,
    divides=True,
)
