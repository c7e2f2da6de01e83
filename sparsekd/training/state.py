"""The state and the result of a training, apart from tensors."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of a finished training; the model holds the weights of `best_epoch` (from 0).

    Attributes:
        metrics: Those of the selection split at the best epoch.
        steps: The student's own optimiser steps.
        history: One entry per epoch {epoch, step, losses, metrics, best}.
        episode_steps: The optimiser steps of the training episodes before.
        held_out_passes: The method's own evaluations on the selection split.
        method_facts: Those of `Method.facts`.
        inspected: The rows of `Method.inspect_examples`, each with its `when`.
    """

    metrics: dict[str, float]
    best_epoch: int
    steps: int
    seconds: float
    history: list[dict[str, Any]]
    episode_steps: int = 0
    held_out_passes: int = 0
    inspected: list[dict[str, Any]] = field(default_factory=list)
    method_facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class TrainerState:
    """The state of a training apart from tensors; the names of its fields are kept in checkpoints.

    Attributes:
        step: Optimiser steps done, those of training episodes included.
        best: Metrics of the selection split at `best_epoch`; -1 before the first.
        passes: The method's own evaluations on the selection split.
    """

    step: int = 0
    seconds: float = 0.0
    best: dict[str, float] = field(default_factory=dict)
    best_epoch: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)
    passes: int = 0

    @property
    def epochs_since_best(self) -> int:
        """Return the epochs after the best one, 0 as long as there is none."""
        return len(self.history) - 1 - self.best_epoch if self.best else 0
