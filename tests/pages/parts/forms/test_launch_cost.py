"""The cost of a launch."""

from pathlib import Path

import pytest

from pages.parts.forms import launch_cost
from sparsekd.catalog.parameters import TrainParams
from sparsekd.tasks import TASKS
from tests.sample_study import fill_plan, sample_plan


def test_steps_are_batches_times_epochs() -> None:
    train = TrainParams(epochs=3, batch_size=32)

    assert launch_cost.cost(100, train) == launch_cost.Cost(steps=4 * 3, examples=300)
    assert launch_cost.cost(None, train) is None
    fewer = train.model_copy(update={"train_examples": 40})
    assert launch_cost.cost(100, fewer) == launch_cost.Cost(steps=2 * 3, examples=120)


def test_rows_for_training_leave_out_the_selection_split() -> None:
    assert launch_cost.training_rows(TASKS["demo/sentiment"], 5000) == 4500


def test_pace_is_measured_on_finished_runs_of_the_same_task(home: Path) -> None:
    assert launch_cost.pace("distil", "demo/sentiment") is None
    fill_plan(sample_plan())

    rate, runs = launch_cost.pace("distil", "demo/sentiment") or (0.0, 0)

    assert rate == pytest.approx(4500 * 4 / 9.5)
    assert runs == 4
    assert launch_cost.pace("distil", "demo/inference") is None
