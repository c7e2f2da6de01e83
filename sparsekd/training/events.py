"""The events that a training reports while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CacheProgress:
    """Progress of the pass in which a teacher's internal states are cached, in examples."""

    done: int
    total: int


@dataclass(frozen=True)
class StepLogged:
    """The position, the speed and the losses of a training after an optimiser step.

    Attributes:
        step, steps: Optimiser steps done and planned, those of training episodes included.
        epoch, epochs: The epoch of the step, from 0, and the planned epochs of one training.
        episode, episodes: The training of the step, from 0, and the number of training episodes;
            they are equal in the final training.
        losses: Each loss term's mean over the examples of the epoch so far.
        logged: The values that the method logged since the last event, as (step, name, value).
        eta: Seconds left.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    episode: int
    episodes: int
    losses: dict[str, float]
    logged: list[tuple[int, str, float]]
    examples_per_second: float
    eta: float


@dataclass(frozen=True)
class EpochEnded(StepLogged):
    """The last step of an epoch of the final training, with the student's evaluation.

    Attributes:
        metrics: Those of the selection split, with the mean loss.
        best: Whether no earlier epoch was better.
    """

    metrics: dict[str, float]
    best: bool


TrainingEvent = CacheProgress | StepLogged
