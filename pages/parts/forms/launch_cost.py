"""The estimated cost of a launch, beside its button."""

from collections.abc import Iterable

import streamlit as st

from pages.parts.forms import task_picker
from pages.parts.shell import frame
from sparsekd.catalog.parameters import TrainParams
from sparsekd.runs import jobs
from sparsekd.runs.records import Recipe
from sparsekd.studies import training_cost
from sparsekd.studies.training_cost import TrainingCost
from sparsekd.tasks.cards import TaskCard


def one_training(task: TaskCard, train: TrainParams) -> TrainingCost | None:
    """Return the cost of one training on a task, whose rows are read once and cached."""
    splits = task_picker.read_splits(task)
    rows = None if splits is None else len(splits["train"])
    return training_cost.training_cost(training_cost.training_examples(task, rows), train)


def draw_estimate(
    task: TaskCard,
    train: TrainParams,
    trainings: int,
    what: str,
    recipes: Iterable[Recipe],
    stage: str = "distil",
) -> None:
    """Draw what a launch does, how long that takes on the chosen device, and how much memory."""
    one, device = one_training(task, train), jobs.likely_device(frame.chosen_device()).name
    words = training_cost.estimate(one, stage, task.name, trainings, what, device)
    st.caption(frame.plain(f"{words} {training_cost.memory(recipes, device)}"))
