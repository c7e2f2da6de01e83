"""The estimated cost of a launch, beside its button."""

import streamlit as st

from pages.parts.forms import task_picker
from pages.parts.shell import frame
from sparsekd.catalog.parameters import TrainParams
from sparsekd.studies import training_cost
from sparsekd.studies.training_cost import TrainingCost
from sparsekd.tasks.cards import TaskCard


def one_training(task: TaskCard, train: TrainParams) -> TrainingCost | None:
    """Return the cost of one training on a task, whose rows are read once and cached."""
    splits = task_picker.read_splits(task)
    rows = None if splits is None else len(splits["train"])
    return training_cost.training_cost(training_cost.training_examples(task, rows), train)


def draw_estimate(
    task: TaskCard, train: TrainParams, trainings: int, what: str, stage: str = "distil"
) -> None:
    """Draw what a launch does, and how long that takes, going by earlier runs."""
    one = one_training(task, train)
    st.caption(frame.plain(training_cost.estimate(one, stage, task.name, trainings, what)))
