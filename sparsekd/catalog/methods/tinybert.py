"""TinyBERT: parameters and card."""

from pydantic import Field

from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.catalog.parameters import RATE_SCHEDULE, MethodParams, RateSchedule


class TinyBERTParams(MethodParams):
    """Parameters of TinyBERT's task stages.

    Source: Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351; the default share is a choice of
    this project.
    """

    later = ("rate_schedule",)

    inner_share: float = Field(
        0.5, gt=0, lt=1, description="Share of the steps in stage 1 (intermediate layers)."
    )
    temperature: float = Field(1.0, ge=1, le=20, description="Softmax temperature in stage 2.")
    rate_schedule: RateSchedule = RATE_SCHEDULE


CARD = MethodCard(
    name="tinybert",
    title="TinyBERT (task stages)",
    source="Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351",
    year=2020,
    summary="Attention scores and hidden states first, then the soft labels. Without "
    "TinyBERT's general distillation and data augmentation.",
    params=TinyBERTParams,
    divides=True,
    reads={"attention": "each", "hidden": "each"},
    variants={
        "stage_rates": Variant("TinyBERT, learning rate per stage", {"rate_schedule": "stage"})
    },
)
