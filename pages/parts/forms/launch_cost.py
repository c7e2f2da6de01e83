"""What a launch will cost, before it is pressed: steps, runs, and time where earlier runs tell."""

import math
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.parts.shell import frame
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.runs import store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies.cost import duration
from sparsekd.system.wording import counted
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.splits import selection_size


@dataclass(frozen=True)
class Cost:
    """Optimiser steps and training examples seen by one run, at most."""

    steps: int
    examples: int


def training_rows(card: TaskCard, rows: int | None) -> int | None:
    """Training examples once the selection split is carved off; from earlier runs where unseen."""
    if rows is not None:
        return rows - selection_size(rows, 0.1, 200, 2000)
    for run in store.runs(states=[State.DONE], task=card.name):
        known = run.outcome.facts.get("training_examples")
        if known and not run.recipe.params.get("train", {}).get("train_examples"):
            return int(known)
    return None


def cost(rows: int | None, train: TrainParams) -> Cost | None:
    """The most steps a run can take; early stopping may take fewer."""
    limit = train.train_examples or None
    if rows is None and limit is None:
        return None
    used = min(rows or limit or 0, limit or rows or 0)
    return Cost(math.ceil(used / train.batch_size) * train.epochs, used * train.epochs)


def training_episodes(recipe: Recipe) -> int:
    """Return the trainings of discarded students that a method needs before its own."""
    return _method(recipe).training_episodes


def reward_passes(recipe: Recipe) -> int:
    """Return the passes over the selection split, beside those that end an epoch."""
    return _method(recipe).reward_passes


def _method(recipe: Recipe) -> MethodParams:
    return METHODS[recipe.method].params.of(recipe.params["method"])


def pace(stage: str, task: str) -> tuple[float, int] | None:
    """Training examples per second of earlier runs, all in all, and how many runs tell so."""
    rates = [rate for run in store.runs(stage, [State.DONE], task) if (rate := _rate(run))]
    return (float(np.median(rates)), len(rates)) if rates else None


def _rate(run: Run) -> float | None:
    facts = run.outcome.facts
    seen = facts.get("training_examples", 0) * facts.get("epochs", 0)
    return seen / run.seconds if seen and run.seconds else None


def show(one: Cost | None, stage: str, task: str, runs: int, words: str) -> None:
    """The estimate in words: what will be done, and how long that took before."""
    if one is None:
        st.caption(f"{words}. Steps are not known before the data is loaded.")
        return
    known = pace(stage, task)
    steps = f"{words}, at most {one.steps:,} optimiser steps each"
    if runs == 1:
        steps = f"{words}, at most {one.steps:,} optimiser steps"
    if known is None:
        st.caption(f"{steps}. How long that takes is not known yet: nothing like it has run here.")
        return
    rate, told = known
    total = duration(runs * one.examples / rate)
    st.caption(
        f"{steps}: about {total} on one device, going by the {rate:,.0f} examples/s of "
        f"{counted(told, 'earlier run')} on {frame.plain(task)}."
    )
