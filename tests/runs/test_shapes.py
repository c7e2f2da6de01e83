"""Sizes of models read back from run folders."""

from pathlib import Path

import pytest

from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import shapes, store
from sparsekd.runs.records import Plan, Run
from tests.sample_study import fill_plan, sample_plan, sample_shape


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return fill_plan(sample_plan())


def run_of(plan: Plan, role: str) -> Run:
    return next(store.get(step.recipe.run_id) for step in plan.steps if step.role == role)


def test_the_sizes_of_a_model_and_of_a_scored_teacher_are_those_written(study: Plan) -> None:
    assert shapes.of_run(run_of(study, "teacher")) == sample_shape()
    assert shapes.of_run(run_of(study, "trial_student")) == sample_shape(1)
    assert shapes.of_scored_teacher(run_of(study, "scores")) == sample_shape()


def test_missing_and_damaged_sizes_are_named(study: Plan) -> None:
    teacher, scores = run_of(study, "teacher"), run_of(study, "scores")
    path = teacher.folder / "shape.json"
    path.write_text("{}")
    with pytest.raises(BadInput, match="damaged"):
        shapes.of_scored_teacher(scores)
    path.unlink()
    assert shapes.of_scored_teacher(scores) is None
    with pytest.raises(NotFound, match=teacher.id):
        shapes.of_run(teacher)
