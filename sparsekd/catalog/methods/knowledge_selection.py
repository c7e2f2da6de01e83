"""Knowledge selection: parameters and card."""

from typing import Literal

from pydantic import Field

from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.catalog.parameters import MethodParams


class KnowledgeSelectionParams(MethodParams):
    """Parameters of knowledge selection and of its actor–critic selector.

    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444; the numbers are choices of
    this project.
    """

    choose: Literal["actor", "uniform", "random"] = Field(
        "actor",
        description="Source of the weights: the trained actor, or a control without training "
        "episodes: equal weights, or random weights at every step.",
    )
    action: Literal["soft", "hard"] = Field(
        "soft", description="soft: weights in [0, 1]; hard: each kind on or off."
    )
    episodes: int = Field(
        4,
        ge=2,
        le=1000,
        description="Training episodes of the actor, each with a fresh student and as long as "
        "the final training. A phase's reward is relative to the same phase of other episodes, "
        "so there are at least two.",
    )
    phases: int = Field(
        7,
        ge=1,
        le=100_000,
        description="Phases of an episode. The action is fixed during a phase; each phase ends "
        "with a reward pass over the selection split.",
    )
    explorations: int = Field(
        2, ge=0, le=1000, description="Number of first episodes with random actions."
    )
    noise: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Standard deviation of the exploration noise added to the actor's pre-sigmoid "
        "outputs in later episodes.",
    )
    bonus: float = Field(
        0.1,
        ge=0,
        le=100,
        description="Weight of the exploration bonus; 1 is a typical phase's reward.",
    )
    discount: float = Field(
        0.5, ge=0, lt=1, description="Discount factor γ of the next phase's value."
    )
    caution: float = Field(
        0.03,
        ge=0,
        le=10,
        description="Weight of the penalty that keeps soft weights near ½; 0 lets them saturate at "
        "0 and 1.",
    )
    updates: int = Field(
        20, ge=1, le=10_000, description="Updates of actor and critic after each phase."
    )
    width: int = Field(64, ge=1, le=4096, description="Hidden units of actor and critic.")
    selector_rate: float = Field(
        3e-3, gt=0, le=1, description="Learning rate of actor and critic (Adam)."
    )
    temperature: float = Field(
        2.0, ge=1, le=20, description="Softmax temperature of the response loss."
    )
    decay: float = Field(
        0.99,
        ge=0,
        le=1,
        description="Decay of the running mean that normalises each loss; 1 averages all steps.",
    )
    embeddings: bool = Field(
        False, description="Include the relation of the embedding output to layer 1."
    )

    @property
    def training_episodes(self) -> int:
        """Return the number of episodes; the controls have none."""
        return self.episodes if self.choose == "actor" else 0

    @property
    def reward_passes(self) -> int:
        """Return the reward passes: one before the phases of each episode, one after each phase."""
        return self.training_episodes * (self.phases + 1)

    @property
    def decisions(self) -> int:
        """Return the phases of all training episodes: each has one action and one reward."""
        return self.training_episodes * self.phases

    @property
    def random_decisions(self) -> int:
        """Return the phases of the episodes with random actions."""
        return min(self.explorations, self.training_episodes) * self.phases


CARD = MethodCard(
    name="knowledge_selection",
    title="Knowledge selection",
    source="Wang et al., Findings of EMNLP 2022, arXiv 2302.00444",
    year=2022,
    summary="An actor–critic weights four kinds of knowledge during training: gold labels, "
    "responses, features and relations.",
    params=KnowledgeSelectionParams,
    gold_terms=("fine_tuning",),
    least_layers=2,
    divides=True,
    reads={"hidden": "each"},
    variants={
        "80_decisions": Variant(
            "Knowledge selection, 80 decisions", {"episodes": 10, "explorations": 7, "phases": 8}
        ),
        "hard": Variant("Knowledge selection, each kind on or off", {"action": "hard"}),
        "uniform": Variant("Knowledge selection, equal weights", {"choose": "uniform"}),
        "random_soft": Variant("Knowledge selection, random weights", {"choose": "random"}),
        "random_hard": Variant(
            "Knowledge selection, random on or off", {"choose": "random", "action": "hard"}
        ),
    },
)
