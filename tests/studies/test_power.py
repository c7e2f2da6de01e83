"""What a study can decide before its launch."""

from pathlib import Path

import numpy as np
import pytest

from sparsekd.runs import store
from sparsekd.runs.records import Outcome, State
from sparsekd.studies import power, recipes, stark
from sparsekd.studies.power import before_launch
from tests.sample_study import sample_plan

TASK = "demo/sentiment"


def finish_students(values: list[float]) -> None:
    """Finished students of one kind, a seed for each value."""
    plan = sample_plan(seeds=tuple(range(len(values))))
    students = [step.recipe for step in plan.steps if step.role == "trial_student"]
    for recipe, value in zip(students, values, strict=True):
        store.create(recipe)
        outcome = Outcome({"validation": {"accuracy": value}})
        store.finish(recipe.run_id, State.DONE, outcome, 1.0)


def test_the_spread_is_that_of_earlier_students_and_follows_new_ones(home: Path) -> None:
    assert power.spread_of(TASK, 0) == (pytest.approx(np.sqrt(2) * power.ASSUMED_SPREAD), 0)

    finish_students([0.8, 0.82, 0.87])

    spread = np.sqrt(2) * np.std([0.8, 0.82, 0.87], ddof=1)
    assert power.spread_of(TASK, 0) == (pytest.approx(spread), 1)
    assert power.spread_of(TASK, 100) == (pytest.approx(np.sqrt(2) * power.ASSUMED_SPREAD), 0)


def test_students_are_read_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_students([0.8, 0.82, 0.87])
    first = power.spread_of(TASK, 0)
    monkeypatch.setattr("sparsekd.runs.store.runs", None)  # calling it would fail
    assert power.spread_of(TASK, 0) == first


def test_pooled_teachers_are_said_to_add_what_is_not_known(home: Path) -> None:
    teacher = recipes.finetune(TASK, "demo:", stark.demo().teacher)
    one, two, five = (before_launch(TASK, teacher, 0, 5, 1, 0.01, n).words for n in (1, 2, 5))
    assert "teachers" not in one
    assert "how much new ones differ adds to it" in two
    assert "1 degree of freedom" in two
    assert "12.7 standard errors" in two  # the table's t of 1 degree, 97.5%
    assert "how much new ones differ adds to it" in five
    assert "say little" not in five
