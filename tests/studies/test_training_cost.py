"""The cost of one training before it starts."""

import json
import re
from pathlib import Path

import pytest

from sparsekd.catalog.parameters import TrainParams
from sparsekd.studies import recipes, training_cost
from sparsekd.studies.training_cost import TrainingCost
from sparsekd.tasks import TASKS
from tests.sample_study import fill_plan, sample_plan


def test_steps_are_batches_times_epochs() -> None:
    train = TrainParams(epochs=3, batch_size=32)

    assert training_cost.training_cost(100, train) == TrainingCost(steps=4 * 3, examples=300)
    assert training_cost.training_cost(None, train) is None
    fewer = train.model_copy(update={"train_examples": 40})
    assert training_cost.training_cost(100, fewer) == TrainingCost(steps=2 * 3, examples=120)
    assert training_cost.training_cost(None, fewer) == TrainingCost(steps=2 * 3, examples=120)


def test_training_examples_leave_out_the_selection_split(home: Path) -> None:
    assert training_cost.training_examples(TASKS["demo/sentiment"], 5000) == 4500


def test_unseen_rows_are_counted_by_an_earlier_run(home: Path) -> None:
    task = TASKS["demo/sentiment"]
    assert training_cost.training_examples(task, None) is None

    fill_plan(sample_plan())

    assert training_cost.training_examples(task, None) == 4500


def test_throughput_is_measured_on_finished_runs_of_the_same_task(home: Path) -> None:
    assert training_cost.throughput("distil", "demo/sentiment", "cpu") is None
    fill_plan(sample_plan())

    rate, runs = training_cost.throughput("distil", "demo/sentiment", "cpu") or (0.0, 0)

    assert rate == pytest.approx(4500 * 4 / 9.5)
    assert runs == 4
    assert training_cost.throughput("distil", "demo/inference", "cpu") is None
    assert training_cost.throughput("distil", "demo/sentiment", "cuda:0") is None


def test_an_estimate_multiplies_by_the_number_of_trainings(home: Path) -> None:
    fill_plan(sample_plan())
    cost = TrainingCost(steps=564, examples=4500 * 4)

    words = training_cost.estimate(cost, "distil", "demo/sentiment", 3, "3 students", "cpu")

    # One training took 9.5 s.
    assert words.startswith("3 students, at most 564 optimiser steps each: about 28 s")
    assert "on cpu one by one" in words
    assert "4 earlier runs" in words


def test_an_estimate_without_evidence_gives_no_time(home: Path) -> None:
    cost = TrainingCost(steps=10, examples=100)

    words = training_cost.estimate(cost, "distil", "demo/sentiment", 1, "1 student", "mps")

    assert "at most 10 optimiser steps" in words
    assert "unknown: no such run has finished on mps" in words


def test_the_memory_of_the_largest_run_is_said_beside_the_devices(home: Path) -> None:
    devices = [{"name": "cuda:0", "words": "a GPU", "memory": 2**32}]
    (home / "devices.json").write_text(json.dumps(devices), encoding="utf-8")
    small = recipes.finetune("demo/sentiment", "demo:", TrainParams())
    large = recipes.finetune("demo/sentiment", "demo:", TrainParams(batch_size=512))

    words = training_cost.memory([large, small], "auto")

    assert re.match(r"Peak memory on cuda:0: at most about \d\.\d GiB of 4\.0 GiB, in", words)
    assert words != training_cost.memory([small], "auto")
    assert "may not fit" not in words
    huge = recipes.finetune("demo/sentiment", "demo:", TrainParams(batch_size=4096))
    assert "may not fit. Lower batch_size" in training_cost.memory([huge, small], "cuda:0")
    unknown = recipes.finetune("demo/sentiment", "hub:nobody/no-such-model", TrainParams())
    assert "unknown until" in training_cost.memory([unknown], "auto")
