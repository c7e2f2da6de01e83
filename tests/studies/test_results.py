"""Results of a study: its rows, means and comparisons."""

import math
from pathlib import Path

import pandas as pd
import pytest

from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies import results, stark


def frame(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"role": role, "seed": seed, "split": "validation", "metric": "accuracy", "value": value}
        | {
            "method": "vanilla",
            "teacher_seed": 0,
            "teachers": 1,
            "parameters": 100,
            "seconds": 1.0,
            "run": "x",
        }
        for role, numbers in values.items()
        for seed, value in enumerate(numbers)
    ]
    return pd.DataFrame(rows)


def test_one_seed_has_no_interval():
    summary = results.summary(frame({"student": [0.9]}), "validation", "accuracy")
    assert math.isnan(summary["low"][0])
    assert summary["mean"][0] == 0.9


def test_the_student_of_the_sparse_teacher_is_compared_with_each_control():
    control = [0.5, 0.6, 0.7, 0.8, 0.9]
    student = [c + d for c, d in zip(control, [0.01, 0.02, 0.03, 0.02, 0.02], strict=True)]
    values = frame({"student": student, "trial_student": control, "teacher": [0.99]})
    rows = results.comparisons(values, "validation", "accuracy")
    assert rows[["control", "verdict"]].to_numpy().tolist() == [["trial_student", "better"]]
    assert rows["difference"][0] == pytest.approx(0.02)
    # The two controls that are not finished count: Holm's first step is at 5% / 3.
    assert rows["p_corrected"][0] == pytest.approx(3 * rows["p"][0])


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    made = stark.plan(stark.demo())
    for step in made.steps:
        store.create(step.recipe)
    return made


def finish(plan: Plan, roles: set[str]) -> None:
    for step in plan.steps:
        if step.role in roles:
            metrics = {"selection": {"accuracy": 0.7}, "validation": {"accuracy": 0.8, "loss": 0.5}}
            facts = {"parameters": 1000}
            store.finish(step.recipe.run_id, State.DONE, Outcome(metrics, facts), 2.0)


def test_rows_are_the_six_reported_roles_on_data_that_chose_nothing(plan: Plan):
    finish(plan, {step.role for step in plan.steps})
    rows = results.study_rows(plan)
    assert [row["role"] for row in rows] == [
        *("teacher", "plain_student", "trial_student"),
        *("sparse_teacher", "student", "random_mask_student"),
    ]
    assert {row["split"] for row in rows} == {"validation"}
    assert set(rows[0]) >= {"role", "method", "seed", "split", "metrics", "parameters", "seconds"}


def test_unfinished_runs_have_no_row_and_count_as_undone(plan: Plan):
    assert results.study_rows(plan) == []
    assert results.study_frame(plan).empty
    finish(plan, {"teacher", "plain_student"})
    assert [row["role"] for row in results.study_rows(plan)] == ["teacher", "plain_student"]
    progress = results.plan_progress(plan)
    assert (progress.done, progress.total) == (2, 8)
