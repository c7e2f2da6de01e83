"""Internal representations: parameters and card."""

from typing import Literal, Self

from pydantic import Field, model_validator

from sparsekd.catalog.card import Card, Variant
from sparsekd.catalog.parameters import MethodParams


class InternalParams(MethodParams):
    """Attention and [CLS] vectors of matched layers, by a schedule.

    Source: Aguilar et al., AAAI 2020, arXiv 1910.03723; weights and shares are ours.
    """

    schedule: Literal["progressive", "stacked", "all"] = Field(
        "progressive",
        description="One layer at a time, bottom-up, then the soft labels (progressive, PID); the "
        "same with lower layers' losses kept (stacked, SID); everything at every step (all).",
    )
    labels: Literal["soft", "soft_and_gold"] = Field(
        "soft", description="The teacher's probabilities alone, or the gold labels as well."
    )
    attention_weight: float = Field(
        1.0, ge=0, le=1000, description="Weight of the KL of attention rows; 0 leaves it out."
    )
    cls_weight: float = Field(
        1.0, ge=0, le=1000, description="Weight of 1 − the cosine of [CLS]; 0 leaves it out."
    )
    last_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the steps for the soft labels at the end (progressive, stacked); "
        "empty: as long as each layer's stage.",
    )
    temperature: float = Field(
        1.0, ge=1, le=20, description="Softens both distributions; 1 is the published loss."
    )

    @model_validator(mode="after")
    def _something_inside(self) -> Self:
        if not (self.attention_weight or self.cls_weight):
            raise ValueError("attention_weight and cls_weight are both 0: nothing is inside")
        return self


CARD = Card(
    name="internal",
    title="Internal representations",
    source="Aguilar et al., AAAI 2020, arXiv 1910.03723",
    year=2020,
    summary="Attention and [CLS] vectors layer by layer, bottom-up, then the soft labels.",
    params=InternalParams,
    divides=True,
    variants={
        "stacked": Variant("Internal, stacked (SID)", {"schedule": "stacked"}),
        "all": Variant("Internal, all at once", {"schedule": "all"}),
        "gold": Variant("Internal, soft and gold labels", {"labels": "soft_and_gold"}),
    },
)
