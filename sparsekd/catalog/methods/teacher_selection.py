"""Reinforced teacher selection: parameters and card."""

from typing import Literal

from pydantic import Field

from sparsekd.catalog.card import Card, Variant
from sparsekd.catalog.parameters import MethodParams


class TeacherSelectionParams(MethodParams):
    """A policy chooses, for each training instance, which of several teachers teach it.

    Source: Yuan et al., AAAI 2021, arXiv 2012.06048; no official code, so most values are ours.
    """

    choose: Literal["policy", "all", "random", "weights", "oracle"] = Field(
        "policy",
        description="Who teaches an instance: whom the learned policy chooses, all alike, one "
        "random teacher per batch, all by fixed learned weights, or the one with the smallest "
        "loss on the gold label (an oracle).",
    )
    reward: Literal["r1", "r2", "r3"] = Field(
        "r1",
        description="r1: −cross-entropy; r2: −cross-entropy − distance to the chosen teachers, "
        "which also favours teachers that the student resembles already, useful or not; r3: r2 "
        "and held-out accuracy, mixed by gamma (it costs passes over the selection split).",
    )
    alpha: float = Field(
        0.5, ge=0, le=1, description="Weight of the gold labels; 1 − α goes to the teachers."
    )
    temperature: float = Field(
        2.0, ge=1, le=20, description="Softens student and teachers; 1 is the formula as noted."
    )
    pretrain: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of the steps in which all teachers teach alike, before the policy (or "
        "the weights) are learned; one step at least.",
    )
    look_ahead: float = Field(
        0.5,
        gt=0,
        le=10,
        description="A reward is read after a step of this size on the student's own logits.",
    )
    credit: Literal["instance", "batch"] = Field(
        "instance", description="Each choice earns its own instance's reward, or its batch's mean."
    )
    gamma: float = Field(
        0.5, ge=0, le=1, description="Share of the losses in r3; 1 − γ goes to the accuracy."
    )
    reward_every: int = Field(
        50, ge=1, le=100_000, description="Steps between two readings of held-out accuracy (r3)."
    )
    selector_examples: int = Field(
        2000, ge=1, description="Training examples on which the selector is pre-trained, at most."
    )
    selector_passes: int = Field(
        20, ge=1, le=1000, description="Passes over them, the student being fixed."
    )
    selector_rate: float = Field(0.02, gt=0, le=1, description="Step size of the policy's Adam.")
    baseline_decay: float = Field(
        0.95, ge=0, lt=1, description="Decay of the moving average that rewards are compared with."
    )


CARD = Card(
    name="teacher_selection",
    title="Reinforced teacher selection",
    source="Yuan et al., AAAI 2021, arXiv 2012.06048",
    year=2021,
    summary="A policy chooses which of several teachers teach each training instance.",
    params=TeacherSelectionParams,
    least_teachers=2,
    most_teachers=8,
    variants={
        "ensemble": Variant("Teacher selection, all alike (ensemble)", {"choose": "all"}),
        "random": Variant("Teacher selection, random per batch", {"choose": "random"}),
        "learned_weights": Variant(
            "Teacher selection, fixed learned weights", {"choose": "weights"}
        ),
        "oracle": Variant("Teacher selection, best per instance (oracle)", {"choose": "oracle"}),
        "r2": Variant("Teacher selection, reward 2 (and nearness)", {"reward": "r2"}),
        "r3": Variant("Teacher selection, reward 3 (and held-out)", {"reward": "r3"}),
    },
)
