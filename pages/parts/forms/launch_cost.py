"""The estimated cost of a launch, beside its button."""

from collections.abc import Sequence

import streamlit as st

from pages.parts.forms import task_picker
from pages.parts.shell import frame
from sparsekd.catalog.parameters import TrainParams
from sparsekd.runs import jobs, model_checks, store
from sparsekd.runs.records import Recipe
from sparsekd.studies import learning_rates, training_cost
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
    recipes: Sequence[Recipe],
    stage: str = "distil",
) -> None:
    """Draw what a launch does and takes on the chosen device, and the suggested learning rates."""
    one, device = one_training(task, train), jobs.likely_device(frame.chosen_device()).name
    with store.reading(None):  # times are of one's own runs
        words = training_cost.estimate(one, stage, task.name, trainings, what, device)
    st.caption(frame.plain(f"{words} {training_cost.memory(recipes, device)}"))
    draw_learning_rates(recipes)
    _draw_assumptions(recipes)


def draw_evaluation(recipe: Recipe) -> None:
    """Draw what a launch takes that trains nothing, and what is assumed of its model."""
    device = jobs.likely_device(frame.chosen_device()).name
    st.caption(frame.plain(f"An evaluation, no training. {training_cost.memory([recipe], device)}"))
    _draw_assumptions([recipe])


def _draw_assumptions(recipes: Sequence[Recipe]) -> None:
    if words := model_checks.assumptions(recipes):
        st.warning(frame.plain(words), icon=":material/label:")


def draw_learning_rates(recipes: Sequence[Recipe]) -> None:
    """Draw the learning rates that suit the sizes of the models that a launch trains."""
    if words := learning_rates.in_words(recipes, near=True):
        st.caption(frame.plain(words))
