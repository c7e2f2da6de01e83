"""Who loses: changes of classes over seeds, against values made by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from sparsekd.runs import references
from sparsekd.studies import class_changes, models
from sparsekd.studies.class_changes import Transition
from sparsekd.studies.model_answers import ModelAnswers
from sparsekd.tasks import classes, find
from tests.pages.parts.compare.test_comparison_view import variants_of
from tests.sample_study import fill_plan, sample_plan

CHANGE = Transition("teacher", "student")


def recalls(**by_role: list[list[float]]) -> pd.DataFrame:
    """One row per role, seed and class, as `class_changes.table` has them."""
    sizes = {"common": 900, "rare": 12, "absent": 0}
    return pd.DataFrame(
        [
            {"role": role, "seed": seed, "label": label, "examples": size, "recall": value}
            for role, seeds in by_role.items()
            for seed, values in enumerate(seeds)
            for (label, size), value in zip(sizes.items(), [*values, np.nan], strict=True)
        ]
    )


def test_a_class_that_loses_in_every_seed_is_worse_though_the_other_gains() -> None:
    students = [[0.91, 0.5], [0.92, 0.42], [0.92, 0.5], [0.91, 0.42], [0.92, 0.5]]
    found = class_changes.changes(recalls(teacher=[[0.9, 0.75]], student=students), CHANGE)

    assert list(found["label"]) == ["rare", "common"]
    assert found["difference"][0] == pytest.approx(np.mean([0.5, 0.42, 0.5, 0.42, 0.5]) - 0.75)
    assert list(found["verdict"]) == ["worse", "better"]
    assert list(found["examples"]) == [12, 900]
    assert list(found["before"]) == pytest.approx([0.75, 0.9])


def test_one_seed_is_never_a_claim() -> None:
    found = class_changes.changes(recalls(teacher=[[0.9, 0.8]], student=[[0.9, 0.1]]), CHANGE)

    assert set(found["words"]) == {"inconclusive: 1 of at least 5 seeds"}


def test_students_of_one_seed_are_paired() -> None:
    before, after = [[0.5, 0.1], [0.9, 0.2]], [[0.6, 0.1], [1.0, 0.3]]
    found = class_changes.changes(
        recalls(sparse_teacher=before, student=after), Transition("sparse_teacher", "student")
    ).set_index("label")

    assert found.loc["common", "difference"] == pytest.approx(0.1)
    assert found.loc["common", "wins"] == 2


def test_a_model_that_is_not_there_changes_nothing() -> None:
    assert class_changes.changes(recalls(teacher=[[0.9, 0.8]]), CHANGE).empty


def test_the_changes_of_a_study_are_those_of_scikit_learn(home: Path) -> None:
    plan = fill_plan(sample_plan())
    card, found = references.card(plan.task), models.answers(plan, "validation")
    answers = {one.role: one.outputs[0].argmax(axis=1) for one in found}
    labels = found[0].outputs[1]

    by_class = class_changes.changes(class_changes.table(card, found), CHANGE)
    means = class_changes.mean_changes(card, found, CHANGE).set_index("label")["difference"]

    gaps = np.subtract(
        *(recall_score(labels, answers[role], average=None) for role in ("student", "teacher"))
    )
    assert dict(zip(by_class["label"], by_class["difference"], strict=True)) == pytest.approx(
        dict(zip(card.labels, gaps, strict=True))
    )
    for name, measure in (
        ("accuracy", accuracy_score),
        ("balanced_accuracy", balanced_accuracy_score),
        ("macro_f1", lambda y, p: f1_score(y, p, average="macro")),
    ):
        gap = measure(labels, answers["student"]) - measure(labels, answers["teacher"])
        assert means[name] == pytest.approx(gap)


def test_the_summary_is_a_mean_over_seeds() -> None:
    table = recalls(student=[[0.5, 0.1], [0.7, 0.2]])
    table = table.assign(precision=0.5, f1=0.5, calibration_error=0.1)

    found = class_changes.summary(table).set_index("label")

    assert found.loc["common", "recall"] == pytest.approx(0.6)
    assert found.loc["common", "seeds"] == 2


def test_changes_go_from_teacher_to_student_and_from_dense_to_sparse() -> None:
    study = class_changes.transitions(sample_plan())

    assert study[0] == CHANGE
    assert study[-1] == Transition("teacher", "plain_student")
    assert {
        Transition("teacher", "sparse_teacher"),
        Transition("sparse_teacher", "student"),
        Transition("trial_student", "student"),
    } <= set(study)

    compared = class_changes.transitions(variants_of())
    assert compared[0] == Transition("teacher", "vanilla")
    assert Transition("sparse_teacher", "vanilla:sparse_teacher") in compared


def test_numbers_have_no_classes(home: Path) -> None:
    found = models.answers(fill_plan(sample_plan()), "validation")
    card = find("demo/similarity")

    assert class_changes.table(card, found).empty
    assert class_changes.mean_changes(card, found, CHANGE).empty


def test_two_students_that_differ_on_single_examples_alone_are_not_told_apart() -> None:
    """Equal in the population; over the seeds alone their recalls differ in most studies."""
    card, random, found = find("demo/sentiment"), np.random.default_rng(0), []
    labels = np.arange(200) % 2
    for _ in range(15):
        wrong = random.random((2, 200)) < 0.2
        rows, without = [], {}
        for role, own in zip(("trial_student", "student"), wrong, strict=True):
            for seed in range(5):
                flipped = own ^ (random.random(200) < 0.02)
                logits = np.eye(2)[np.where(flipped, 1 - labels, labels)]
                name = f"{role}{seed}"
                table = classes.by_class(card, logits, labels)
                rows.append(table.assign(role=role, seed=seed, run=name))
                for measure, values in classes.without_groups(card, logits, labels).items():
                    for place, label in enumerate(card.labels):
                        without[name, label, measure] = values[:, place]
        frame, pair = pd.concat(rows), Transition("trial_student", "student")
        decided = [
            (class_changes.changes(frame, pair, "recall", known)["p"] < 0.05).mean()
            for known in (None, without)
        ]
        found.append(decided)
    alone, with_examples = np.mean(found, axis=0)
    assert alone > 0.5
    assert with_examples < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 30)


def test_a_study_tests_classes_for_new_examples(home: Path) -> None:
    plan = fill_plan(sample_plan(seeds=tuple(range(5))))
    answers = ModelAnswers(plan, references.card(plan.task), "validation")

    changes = answers.changes(CHANGE)
    table = class_changes.changes(answers.classes, CHANGE)

    assert changes["example_error"].gt(0).all()
    assert table["example_error"].isna().all()
    assert list(changes["difference"]) == pytest.approx(list(table["difference"]))
    assert answers.mean_changes(CHANGE)["example_error"].gt(0).all()
    assert answers.agreement_verdicts["example_error"].gt(0).all()
