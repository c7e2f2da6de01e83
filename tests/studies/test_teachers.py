"""Finished teachers to choose from."""

from pathlib import Path

import numpy as np
import pytest

from sparsekd.catalog.methods import find
from sparsekd.runs import references, store
from sparsekd.studies import majority, teachers
from tests.sample_study import fill_plan, sample_plan


def test_pruned_teachers_teach_too_unless_only_dense_ones_are_wanted(home: Path) -> None:
    plan = fill_plan(sample_plan())
    dense = plan.steps[0].recipe.run_id

    assert [run.id for run in teachers.finished_teachers(dense_only=True)] == [dense]
    others = teachers.other_teachers(store.get(dense))
    assert {run.recipe.stage for run in others} == {"prune"}
    assert len(others) == 2


def test_as_many_further_teachers_are_proposed_as_the_method_needs(home: Path) -> None:
    plan = fill_plan(sample_plan())
    others = teachers.other_teachers(store.get(plan.steps[0].recipe.run_id))

    assert len(teachers.default_others(others, find("teacher_selection"), None)) == 1
    assert teachers.default_others(others, find("vanilla"), None) == []


def test_a_label_names_checkpoint_task_and_quality(home: Path) -> None:
    run = store.get(fill_plan(sample_plan()).steps[0].recipe.run_id)
    accuracy = run.outcome.metrics["validation"]["accuracy"]

    label = teachers.teacher_label(run, "Teacher")

    assert label == f"Teacher · Demo BERT · demo/sentiment · accuracy {accuracy:.3f} · {run.id}"


def test_the_table_has_one_row_per_teacher(home: Path) -> None:
    runs = [store.get(fill_plan(sample_plan()).steps[0].recipe.run_id)]

    table = teachers.teachers_table(runs)

    assert list(table["run"]) == [runs[0].id]
    assert table["accuracy"][0] == runs[0].outcome.metrics["validation"]["accuracy"]


def test_the_majority_stands_beside_a_finished_teacher_alone(home: Path) -> None:
    plan = sample_plan()
    run = store.create(plan.steps[0].recipe)
    card = references.card(plan.task)
    assert majority.reported_score(run, card) is None

    run = store.get(fill_plan(plan).steps[0].recipe.run_id)
    labels = np.load(run.folder / "labels-validation.npy")
    known = np.load(run.folder / "labels-selection.npy")
    most = np.bincount(known).argmax()
    assert majority.reported_score(run, card) == pytest.approx((labels == most).mean())
