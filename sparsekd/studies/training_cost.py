"""The cost of one training before it starts: optimiser steps, and time going by earlier runs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sparsekd.catalog.methods import COMPARED
from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.runs import jobs, peak_memory, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies.cost import duration
from sparsekd.system.wording import counted, size
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.splits import selection_size


@dataclass(frozen=True)
class TrainingCost:
    """The most optimiser steps and training examples that one training takes."""

    steps: int
    examples: int


def training_examples(card: TaskCard, rows: int | None) -> int | None:
    """Return the training examples without the selection split.

    Where the number of rows is unknown, an earlier run on the task tells it, if there is one.
    """
    if rows is not None:
        return rows - selection_size(rows, 0.1, 200, 2000)
    for run in store.runs(states=[State.DONE], task=card.name):
        known = run.outcome.facts.get("training_examples")
        if known and not run.recipe.params.get("train", {}).get("train_examples"):
            return int(known)
    return None


def training_cost(examples: int | None, train: TrainParams) -> TrainingCost | None:
    """Return the cost of one training without early stopping; None where it is unknown."""
    limit = train.train_examples or None
    if examples is None and limit is None:
        return None
    used = min(examples or limit or 0, limit or examples or 0)
    return TrainingCost(math.ceil(used / train.batch_size) * train.epochs, used * train.epochs)


def training_episodes(recipe: Recipe) -> int:
    """Return the trainings of discarded students that a method needs before its own."""
    return _method(recipe).training_episodes


def reward_passes(recipe: Recipe) -> int:
    """Return the passes over the selection split, beside those that end an epoch."""
    return _method(recipe).reward_passes


def decisions(recipe: Recipe) -> tuple[int, int]:
    """Return the rewarded decisions that a selector is trained on, and how many are random."""
    return _method(recipe).decisions, _method(recipe).random_decisions


def decided_in_words(recipe: Recipe) -> str:
    """Return the decisions of a selector in words; empty for a method without one."""
    count, random = decisions(recipe)
    return f"{counted(count, 'decision')}, {random} of them random" if count else ""


def _method(recipe: Recipe) -> MethodParams:
    return COMPARED[recipe.method].params.of(recipe.params["method"])


def throughput(stage: str, task: str, device: str) -> tuple[float, int] | None:
    """Return the median examples per second of earlier runs on a device, and their number.

    None where no such run has finished there.
    """
    runs = [run for run in store.runs(stage, [State.DONE], task) if run.device == device]
    rates = [rate for run in runs if (rate := _rate(run))]
    return (float(np.median(rates)), len(rates)) if rates else None


def _rate(run: Run) -> float | None:
    facts = run.outcome.facts
    seen = facts.get("training_examples", 0) * facts.get("epochs", 0)
    return seen / run.seconds if seen and run.seconds else None


def estimate(
    cost: TrainingCost | None, stage: str, task: str, trainings: int, what: str, device: str
) -> str:
    """Return in words what `what`, a number of trainings, costs in steps and time on a device."""
    if cost is None:
        return f"{what}. The number of steps is unknown until the data is loaded."
    each = " each" if trainings > 1 else ""
    steps = f"{what}, at most {cost.steps:,} optimiser steps{each}"
    known = throughput(stage, task, device)
    if known is None:
        return f"{steps}. The time is unknown: no such run has finished on {device}."
    rate, runs = known
    time = duration(trainings * cost.examples / rate)
    return (
        f"{steps}: about {time} on {device} one by one, going by the "
        f"{rate:,.0f} examples/s of {counted(runs, 'earlier run')} on {task} there."
    )


def memory(recipes: Iterable[Recipe], device: str) -> str:
    """Return in words how much of a device's memory the largest of some runs takes."""
    on = jobs.likely_device(device)
    found = peak_memory.largest(recipes, on.name)
    if found is None:
        return "Peak memory: unknown until the models are here."
    recipe, peak = found
    whole = f" of {size(on.memory)}" if on.memory else ""
    words = (
        f"Peak memory on {on.name}: at most about {size(peak)}{whole}, in the {recipe.stage} run"
    )
    if on.memory and peak > on.memory:
        words += "; that may not fit. Lower batch_size or max_length"
    return f"{words}."
