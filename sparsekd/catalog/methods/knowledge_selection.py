"""Knowledge selection: parameters and card."""

from typing import Literal

from pydantic import Field

from sparsekd.catalog.card import Card, Variant
from sparsekd.catalog.parameters import MethodParams


class KnowledgeSelectionParams(MethodParams):
    """Which kinds of knowledge are let through, and how the selector learns to choose them.

    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444; the numbers are ours.
    """

    choose: Literal["actor", "uniform", "random"] = Field(
        "actor",
        description="Who sets the weights: the trained actor, or a control: all kinds alike, or "
        "chance at every step (neither control has episodes).",
    )
    action: Literal["soft", "hard"] = Field(
        "soft", description="Weights between 0 and 1, or each kind on or off."
    )
    episodes: int = Field(
        4,
        ge=2,
        le=1000,
        description="Trainings of a fresh student in which the actor learns, before the one that "
        "counts; each costs as much as that one. What a phase gains is measured against the same "
        "phase of the others, so there are at least two.",
    )
    phases: int = Field(
        7,
        ge=1,
        le=100_000,
        description="Phases of an episode: an action holds for one, and each ends with a reward "
        "pass over the selection split.",
    )
    explorations: int = Field(
        2, ge=0, le=1000, description="First episodes in which every action is drawn by chance."
    )
    noise: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Spread of what is added to the actor's outputs, before the sigmoid, in the "
        "episodes after those.",
    )
    bonus: float = Field(
        0.1,
        ge=0,
        le=100,
        description="Weight of the exploration bonus; 1 is as much as a typical phase gains.",
    )
    discount: float = Field(
        0.5, ge=0, lt=1, description="γ: what the next phase's worth counts in this one's."
    )
    caution: float = Field(
        0.03,
        ge=0,
        le=10,
        description="Holds soft weights near ½, unless the critic is sure enough; 0 lets them run "
        "to 0 and 1.",
    )
    updates: int = Field(
        20, ge=1, le=10_000, description="Steps of actor and critic after each phase."
    )
    width: int = Field(64, ge=1, le=4096, description="Hidden units of actor and critic.")
    selector_rate: float = Field(
        3e-3, gt=0, le=1, description="Adam's step size for actor and critic."
    )
    temperature: float = Field(
        2.0, ge=1, le=20, description="Softens both distributions of the response loss."
    )
    decay: float = Field(
        0.99,
        ge=0,
        le=1,
        description="How slowly the running mean that divides a loss follows it; 1 averages all "
        "steps so far.",
    )
    embeddings: bool = Field(
        False, description="Relate the embeddings' output to the first layer too."
    )

    @property
    def training_episodes(self) -> int:
        """Return the number of episodes; the controls have none."""
        return self.episodes if self.choose == "actor" else 0

    @property
    def reward_passes(self) -> int:
        """Return the reward passes: one before the phases of each episode, one after each phase."""
        return self.training_episodes * (self.phases + 1)


CARD = Card(
    name="knowledge_selection",
    title="Knowledge selection",
    source="Wang et al., Findings of EMNLP 2022, arXiv 2302.00444",
    year=2022,
    summary="An actor–critic weighs four kinds of knowledge as the training goes on: gold "
    "labels, responses, features and relations.",
    params=KnowledgeSelectionParams,
    least_layers=2,
    divides=True,
    variants={
        "hard": Variant("Knowledge selection, each kind on or off", {"action": "hard"}),
        "uniform": Variant("Knowledge selection, all kinds alike", {"choose": "uniform"}),
        "random_soft": Variant("Knowledge selection, random weights", {"choose": "random"}),
        "random_hard": Variant(
            "Knowledge selection, random on or off", {"choose": "random", "action": "hard"}
        ),
    },
)
