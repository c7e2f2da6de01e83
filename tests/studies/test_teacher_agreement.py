"""Which pairs of models are compared, and what is said about them over seeds."""

from pathlib import Path

import numpy as np
import pytest

from sparsekd.runs import references, store
from sparsekd.runs.records import Plan
from sparsekd.studies import estimates, models, teacher_agreement
from tests.sample_study import fill_plan, sample_plan

SEEDS = tuple(range(5))


@pytest.fixture
def plan(home: Path) -> Plan:
    return fill_plan(sample_plan(seeds=SEEDS))


def kept(plan: Plan, role: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of a role, read by hand."""
    run = next(s.recipe.run_id for s in plan.steps if (s.role, s.seed) == (role, seed))
    files = (store.folder(run) / f"{name}-validation.npy" for name in ("logits", "labels"))
    logits, labels = (np.load(file) for file in files)
    return logits, labels


def test_each_student_is_compared_with_its_teacher_and_with_the_dense_one(plan: Plan) -> None:
    pairs = models.pairs(models.answers(plan, "validation"))

    found = {(pair.student.role, pair.teacher.role, pair.learned) for pair in pairs}

    assert found == {
        ("plain_student", "teacher", False),
        ("trial_student", "teacher", True),
        ("sparse_teacher", "teacher", True),
        ("student", "sparse_teacher", True),
        ("student", "teacher", False),
        ("random_mask_student", "random_mask_teacher", True),
        ("random_mask_student", "teacher", False),
    }


def test_a_teacher_that_answered_other_examples_is_left_out(plan: Plan) -> None:
    teacher = next(step.recipe.run_id for step in plan.steps if step.role == "teacher")
    labels = store.folder(teacher) / "labels-validation.npy"
    np.save(labels, 1 - np.load(labels))

    pairs = models.pairs(models.answers(plan, "validation"))

    assert {pair.teacher.role for pair in pairs} == {"sparse_teacher", "random_mask_teacher"}


def test_the_summary_is_the_mean_over_seeds_of_what_the_files_say(plan: Plan) -> None:
    card = references.card(plan.task)
    rows = teacher_agreement.rows(card, models.answers(plan, "validation"))

    found = teacher_agreement.summary(rows).set_index(["role", "teacher"])
    found = found.loc[("student", "sparse_teacher")]

    shares = np.array(
        [
            np.mean(
                kept(plan, "student", seed)[0].argmax(axis=1)
                == kept(plan, "sparse_teacher", seed)[0].argmax(axis=1)
            )
            for seed in SEEDS
        ]
    )
    assert found["agreement"] == pytest.approx(shares.mean())
    low, high = estimates.interval(shares)
    assert (found["low"], found["high"]) == pytest.approx((max(low, 0), min(high, 1)))
    assert found["seeds"] == len(SEEDS)


def test_the_control_is_the_student_that_saw_no_teacher(plan: Plan) -> None:
    card = references.card(plan.task)
    rows = teacher_agreement.rows(card, models.answers(plan, "validation"))

    found = teacher_agreement.verdicts(plan, rows).set_index("role")

    assert set(found.index) == {"trial_student", "student", "random_mask_student"}
    dense = rows[rows["teacher"] == "teacher"].groupby("role")[["agreement", "independent"]].mean()
    beyond = dense["agreement"] - dense["independent"]
    gap = beyond["trial_student"] - beyond["plain_student"]
    assert found.loc["trial_student", "difference"] == pytest.approx(gap)
    assert found["seeds"].eq(5).all()


def test_a_student_that_is_only_more_accurate_is_not_more_like_its_teacher(home: Path) -> None:
    """The answers of the sample study err independently, the student's less often."""
    plan = fill_plan(sample_plan(seeds=SEEDS))
    card = references.card(plan.task)
    rows = teacher_agreement.rows(card, models.answers(plan, "validation"))
    dense = rows[rows["teacher"] == "teacher"].groupby("role")["agreement"].mean()

    found = teacher_agreement.verdicts(plan, rows).set_index("role")

    assert dense["student"] > dense["plain_student"] + 0.02
    assert found.loc["student", "verdict"] == "inconclusive"
    copied = rows["agreement"].where(rows["role"] != "student", rows["agreement"] + 0.05)
    found = teacher_agreement.verdicts(plan, rows.assign(agreement=copied)).set_index("role")
    assert found.loc["student", "verdict"] == "better"


def test_one_seed_gives_no_verdict(home: Path) -> None:
    plan = fill_plan(sample_plan())
    card = references.card(plan.task)
    rows = teacher_agreement.rows(card, models.answers(plan, "validation"))

    found = teacher_agreement.verdicts(plan, rows)

    assert set(found["words"]) == {"inconclusive: 1 of at least 5 seeds"}


def test_nothing_finished_is_an_empty_table(home: Path) -> None:
    plan = sample_plan()
    rows = teacher_agreement.rows(references.card(plan.task), [])

    assert teacher_agreement.summary(rows).empty
    assert teacher_agreement.verdicts(plan, rows).empty
