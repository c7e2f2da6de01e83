"""Internal representations: parameters and card."""

from typing import Literal, Self

from pydantic import Field, model_validator

from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.catalog.parameters import RATE_SCHEDULE, MethodParams, RateSchedule


class InternalParams(MethodParams):
    """Parameters of distillation from internal representations.

    Source: Aguilar et al., AAAI 2020, arXiv 1910.03723; weights and shares are choices of this
    project.
    """

    later = ("rate_schedule",)

    schedule: Literal["progressive", "stacked", "all"] = Field(
        "progressive",
        description="progressive (PID): one layer at a time, bottom-up, then the soft labels; "
        "stacked (SID): the same, but lower layers' losses stay; all: every loss at every step.",
    )
    labels: Literal["soft", "soft_and_gold"] = Field(
        "soft", description="Soft labels only, or gold labels too."
    )
    attention_weight: float = Field(
        1.0, ge=0, le=1000, description="Weight of the attention KL; 0 drops the term."
    )
    cls_weight: float = Field(
        1.0, ge=0, le=1000, description="Weight of 1 − cosine of [CLS]; 0 drops the term."
    )
    last_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the steps in the last stage, the soft labels (progressive, stacked); "
        "empty: the same as for each layer.",
    )
    temperature: float = Field(
        1.0, ge=1, le=20, description="Softmax temperature of student and teacher; 1 in the paper."
    )
    rate_schedule: RateSchedule = RATE_SCHEDULE

    @model_validator(mode="after")
    def _layers_matched(self) -> Self:
        if not (self.attention_weight or self.cls_weight):
            raise ValueError(
                "attention_weight and cls_weight are both 0: no layer would be matched"
            )
        return self


CARD = MethodCard(
    name="internal",
    title="Internal representations",
    source="Aguilar et al., AAAI 2020, arXiv 1910.03723",
    year=2020,
    summary="Attention and [CLS] vectors layer by layer, bottom-up, then the soft labels. Initial "
    "weights “every” start each layer from the teacher's layer that it is matched with.",
    params=InternalParams,
    gold_terms=("hard",),
    divides=True,
    reads={"attention": "each", "cls": "each"},
    variants={
        "stacked": Variant("Internal, stacked (SID)", {"schedule": "stacked"}),
        "all": Variant("Internal, all at once", {"schedule": "all"}),
        "stage_rates": Variant("Internal, learning rate per stage", {"rate_schedule": "stage"}),
        "gold": Variant("Internal, soft and gold labels", {"labels": "soft_and_gold"}),
    },
)
