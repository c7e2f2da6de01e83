"""Frames for pages: intervals, comparisons and verdicts against hand-computed values."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsekd.runs import store, tables
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies import recipes, results, roles, stats


def frame(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"role": role, "seed": seed, "split": "validation", "metric": "accuracy", "value": value}
        | {"method": "vanilla", "parameters": 100, "seconds": 1.0, "run": "x"}
        for role, found in values.items()
        for seed, value in enumerate(found)
    ]
    return pd.DataFrame(rows)


def test_the_interval_is_the_textbook_one():
    # mean 3, standard deviation 1.5811, t(0.975, 4) = 2.7764: half width 1.9632
    low, high = stats.interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert low == pytest.approx(3 - 1.96324, abs=1e-4)
    assert high == pytest.approx(3 + 1.96324, abs=1e-4)


def test_one_seed_has_no_interval_and_no_verdict():
    summary = results.summary(frame({"student": [0.9]}), "validation", "accuracy")
    assert math.isnan(summary["low"][0])
    found = results.comparisons(
        frame({"student": [0.9], "trial_student": [0.1]}), "validation", "accuracy"
    )
    assert found["verdict"][0].startswith("inconclusive: 1 of at least 5")


def test_differences_are_paired_over_seeds():
    # Each student is 0.01 to 0.03 above its own control, though the seeds differ far more.
    control = [0.5, 0.6, 0.7, 0.8, 0.9]
    student = [c + d for c, d in zip(control, [0.01, 0.02, 0.03, 0.02, 0.02], strict=True)]
    values = frame({"student": student, "trial_student": control})
    found = results.comparisons(values, "validation", "accuracy")
    assert found["difference"][0] == pytest.approx(0.02)
    assert found["verdict"][0] == "better"
    swapped = frame({"student": control, "trial_student": student})
    assert results.comparisons(swapped, "validation", "accuracy")["verdict"][0] == "worse"


def test_a_seed_that_only_one_side_has_is_left_out():
    values = frame({"student": [0.9] * 6, "plain_student": [0.8] * 5})
    found = results.comparisons(values, "validation", "accuracy")
    assert found["seeds"].tolist() == [5]


def test_a_lower_loss_is_better():
    less = np.full(5, -0.1) + np.arange(5) / 1000
    assert results.verdict(less, lower_is_better=True) == "better"
    assert results.verdict(less) == "worse"


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=12))
def test_no_verdict_where_the_interval_holds_zero(differences: list[float]):
    low, high = stats.interval(np.array(differences))
    word = results.verdict(np.array(differences))
    assert word.startswith("inconclusive") == (low <= 0 <= high)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    made = recipes.stark(recipes.demo_study())
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
    assert [row["role"] for row in rows] == list(roles.REPORTED)
    assert {row["split"] for row in rows} == {"validation"}
    assert set(rows[0]) >= {"role", "method", "seed", "split", "metrics", "parameters", "seconds"}


def test_unfinished_runs_have_no_row_and_count_as_undone(plan: Plan):
    assert results.study_rows(plan) == []
    assert results.study_frame(plan).empty
    finish(plan, {"teacher", "plain_student"})
    assert [row["role"] for row in results.study_rows(plan)] == ["teacher", "plain_student"]
    progress = results.plan_progress(plan)
    assert (progress.done, progress.total) == (2, 8)


def test_every_kind_of_run_has_a_title(plan: Plan):
    table = tables.runs_table(store.runs())
    assert len(table) == 8
    assert table["what"].str.len().min() > 10
    assert "Student without teacher" in " ".join(table["what"])
