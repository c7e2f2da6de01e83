"""Reinforced teacher selection: parameters and card."""

from typing import Literal

from pydantic import Field

from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.catalog.parameters import MethodParams


class TeacherSelectionParams(MethodParams):
    """Parameters of reinforced teacher selection.

    Source: Yuan et al., AAAI 2021, arXiv 2012.06048; there is no official code; most
    values are choices of this project.
    """

    later = ("rewards", "exploration", "bias_rate")

    choose: Literal["policy", "all", "random", "held_out_weights", "weights", "oracle"] = Field(
        "policy",
        description="Selection of an instance's teachers. policy: learned by reinforcement; all: "
        "equal weights; random: one random teacher per batch; held_out_weights: fixed weights "
        "learned from the teachers' answers on the selection split; weights: the same from the "
        "training examples, which teachers that were trained on them fit too well; oracle: the "
        "teacher with the smallest loss on the gold label.",
    )
    reward: Literal["held_out", "r1", "r2", "r3"] = Field(
        "held_out",
        description="held_out: decrease of the loss on the selection split by the student's real "
        "updates. The others follow a hypothetical step on the student's own logits. r1: "
        "−cross-entropy, which with two classes prefers the teacher with the smallest loss on the "
        "gold label, the oracle's choice; r2: −cross-entropy − distance to the selected teachers, "
        "which also favours teachers that the student already resembles, useful or not; r3: r2 "
        "and held-out accuracy, mixed by gamma (costs passes over the selection split).",
    )
    rewards: int = Field(
        100,
        ge=2,
        le=100_000,
        description="Number of held-out rewards, at most one per step after the pre-training: each "
        "costs a pass over the selection split, and one more comes before.",
    )
    exploration: float = Field(
        1.0,
        gt=0,
        le=10,
        description="Standard deviation of the noise on each teacher's log-odds, drawn anew for "
        "each held-out reward.",
    )
    bias_rate: float = Field(
        0.1,
        gt=0,
        le=10,
        description="Learning rate of the policy's biases (Adam) with held-out rewards: one update "
        "each.",
    )
    alpha: float = Field(
        0.5, ge=0, le=1, description="Weight of the gold labels; the teachers have 1 − α."
    )
    temperature: float = Field(
        2.0, ge=1, le=20, description="Softmax temperature of student and teachers; 1 in the paper."
    )
    pretrain: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of the steps with equal weights for all teachers, before the policy or "
        "the weights are learned; at least one step.",
    )
    look_ahead: float = Field(
        0.5,
        gt=0,
        le=10,
        description="Size of the gradient step on the student's logits that precedes r1, r2, r3.",
    )
    credit: Literal["instance", "batch"] = Field(
        "instance",
        description="Reward of an action (r1, r2, r3): its own instance's, or the batch mean.",
    )
    gamma: float = Field(
        0.5, ge=0, le=1, description="Weight γ of the losses in r3; accuracy has 1 − γ."
    )
    reward_every: int = Field(
        50, ge=1, le=100_000, description="Steps between evaluations of held-out accuracy (r3)."
    )
    selector_examples: int = Field(
        2000,
        ge=1,
        description="Training examples to pre-train the selector on, at most (not held_out).",
    )
    selector_passes: int = Field(
        20, ge=1, le=1000, description="Passes over these examples, with the student frozen."
    )
    selector_rate: float = Field(
        0.02, gt=0, le=1, description="Learning rate of the policy (Adam)."
    )
    baseline_decay: float = Field(
        0.95, ge=0, lt=1, description="Decay of the moving-average baseline of r1, r2, r3."
    )

    @property
    def labelled_only(self) -> bool:
        """Return whether every loss term needs the gold label: the teachers have no weight."""
        return self.alpha == 1

    @property
    def rewards_held_out(self) -> bool:
        """Return whether a policy is rewarded for the loss on the selection split."""
        return self.choose == "policy" and self.reward == "held_out"

    @property
    def reward_passes(self) -> int:
        """Return the passes of held-out rewards, at most: one before, one after each window.

        Those of r3 depend on the number of steps.
        """
        return self.rewards + 1 if self.rewards_held_out else 0

    @property
    def decisions(self) -> int:
        """Return the held-out rewards, at most; the others reward every instance."""
        return self.rewards if self.rewards_held_out else 0

    @property
    def needs_held_out_answers(self) -> bool:
        """Return whether weights are learned from the teachers' answers on the selection split."""
        return self.choose == "held_out_weights"


CARD = MethodCard(
    name="teacher_selection",
    title="Reinforced teacher selection",
    source="Yuan et al., AAAI 2021, arXiv 2012.06048",
    year=2021,
    summary="A policy selects which of several teachers each training instance is learned from.",
    params=TeacherSelectionParams,
    gold_terms=("hard",),
    least_teachers=2,
    most_teachers=8,
    variants={
        "ensemble": Variant("Teacher selection, equal weights (ensemble)", {"choose": "all"}),
        "random": Variant("Teacher selection, random per batch", {"choose": "random"}),
        "learned_weights": Variant(
            "Teacher selection, fixed learned weights", {"choose": "held_out_weights"}
        ),
        "oracle": Variant("Teacher selection, best per instance (oracle)", {"choose": "oracle"}),
        "r1": Variant("Teacher selection, reward 1 (hypothetical step)", {"reward": "r1"}),
        "r2": Variant("Teacher selection, reward 2 (with distance)", {"reward": "r2"}),
        "r3": Variant("Teacher selection, reward 3 (with accuracy)", {"reward": "r3"}),
    },
)
