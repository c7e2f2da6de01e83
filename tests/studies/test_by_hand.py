"""Studies that grow from runs launched one by one."""

from pathlib import Path

import pytest

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.runs import jobs, store
from sparsekd.runs.records import Recipe
from sparsekd.studies import by_hand, recipes
from tests.sample_study import fill_plan, sample_plan

TASK, TRAIN = "demo/sentiment", TrainParams(learning_rate=3e-4)
ONE = StudentParams(layers=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return tmp_path


def student(source: str, teacher: str, seed: int = 0, train: TrainParams = TRAIN) -> Recipe:
    return recipes.distil(TASK, "vanilla", source, train, VanillaParams(), ONE, teacher, seed)


def launched(*several: Recipe) -> None:
    for recipe in several:
        store.create(recipe)


def test_a_teacher_of_ones_own_becomes_current_with_all_that_is_made_for_it():
    asked = fill_plan(sample_plan())
    assert by_hand.all_plans() == [asked]

    teacher = recipes.finetune(TASK, "demo:", TRAIN)
    launched(teacher)
    first = by_hand.all_plans()[0]
    assert (first.id, [step.role for step in first.steps]) == (teacher.run_id, ["teacher"])

    own = teacher.run_id
    plain = recipes.distil(TASK, "fine_tuning", own, TRAIN, FineTuningParams(), ONE, own, 0)
    trial = student(own, own)
    scores = recipes.score(TASK, own, trial.run_id, ScoreParams(), 64)
    sparse = recipes.prune(TASK, own, scores.run_id, MaskParams(), 64, 0)
    random = recipes.prune(TASK, own, scores.run_id, MaskParams(kind="random"), 64, 0)
    ends = [student(each.run_id, own) for each in (sparse, random)]
    launched(trial, plain, scores, sparse, random, *ends)
    grown, *others = by_hand.all_plans()
    assert others == [asked]
    assert grown.id == first.id
    assert {step.role: step.recipe for step in grown.steps} == {
        "teacher": teacher,
        "plain_student": plain,
        "trial_student": trial,
        "scores": scores,
        "sparse_teacher": sparse,
        "student": ends[0],
        "random_mask_teacher": random,
        "random_mask_student": ends[1],
    }


def test_students_that_are_trained_otherwise_than_the_newest_are_left_out():
    teacher = recipes.finetune(TASK, "demo:", TRAIN)
    own = teacher.run_id
    trials = [student(own, own, seed) for seed in (0, 1)]
    scores = recipes.score(TASK, own, trials[0].run_id, ScoreParams(), 64)
    masks = [MaskParams(sparsity=share) for share in (0.2, 0.6)]
    first, second = (recipes.prune(TASK, own, scores.run_id, mask, 64, 0) for mask in masks)
    ends = [student(first.run_id, own, seed) for seed in (0, 1)]
    launched(teacher, *trials, scores, first, *ends)
    launched(student(own, own, 1, TRAIN.changed({"epochs": 9})))  # another budget
    launched(second)  # a mask that no student has learned from
    (plan,) = by_hand.all_plans()
    assert [step.recipe for step in plan.steps] == [
        *(teacher, trials[0], scores, first, ends[0]),
        *(trials[1], ends[1]),
    ]

    launched(student(second.run_id, own))
    (plan,) = by_hand.all_plans()
    assert [step.recipe for step in plan.steps if step.role == "student"] == [
        student(second.run_id, own)
    ]
    assert [step.recipe for step in plan.steps if step.role == "sparse_teacher"] == [second]


def test_the_newest_student_decides_which_are_shown():
    teacher = recipes.finetune(TASK, "demo:", TRAIN)
    own = teacher.run_id
    again = student(own, own, train=TRAIN.changed({"epochs": 9}))
    launched(teacher, student(own, own), student(own, own, seed=1), again)
    (plan,) = by_hand.all_plans()
    assert [step.recipe for step in plan.steps[1:]] == [again]


def test_the_last_request_is_current(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "start_queue", lambda: None)
    monkeypatch.setattr(jobs, "check_device", lambda device: None)
    launched(recipes.finetune(TASK, "demo:", TRAIN))
    asked = fill_plan(sample_plan())
    assert by_hand.all_plans()[0] == asked
    grown = by_hand.all_plans()[1]
    jobs.submit_plan(grown)
    assert store.plans() == [asked]  # it is no request, and is not stored as one
