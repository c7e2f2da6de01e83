"""Sentences on agreement, calibration and changes of classes."""

import math
from pathlib import Path

import pandas as pd
import pytest

from sparsekd.runs import references
from sparsekd.studies import answer_words, class_changes, verdict
from sparsekd.studies.class_changes import Transition
from sparsekd.studies.model_answers import ModelAnswers
from tests.sample_study import fill_plan, sample_plan
from tests.studies.test_class_changes import CHANGE, recalls


@pytest.fixture
def answers(home: Path) -> ModelAnswers:
    plan = fill_plan(sample_plan(seeds=tuple(range(5))))
    return ModelAnswers(plan, references.card(plan.task), "validation")


def test_the_class_that_loses_most_is_named_with_its_size_and_its_verdict() -> None:
    students = [[0.91, 0.5], [0.92, 0.42], [0.92, 0.5], [0.91, 0.42], [0.92, 0.5]]
    changes = class_changes.changes(recalls(teacher=[[0.9, 0.75]], student=students), CHANGE)
    means = changes.assign(label="macro_f1", difference=-0.012)[:1]

    words = answer_words.change_in_words(CHANGE, changes, means)

    assert words.startswith(
        "From the teacher to the student of the sparse teacher: macro F1 −1.2 points. “rare” loses "
        "most: −28.2 points, 12 examples, few, 97.5% interval −"
    )
    assert words.endswith("(worse).")


def test_no_class_need_lose() -> None:
    changes = class_changes.changes(recalls(teacher=[[0.5, 0.5]], student=[[0.6, 0.5]]), CHANGE)

    assert answer_words.change_in_words(CHANGE, changes, changes[:0]).endswith(
        "No class loses on average."
    )
    nothing = answer_words.change_in_words(Transition("teacher", "student"), changes[:0], changes)
    assert nothing.endswith("not both are finished.")


def test_few_examples_are_said() -> None:
    sizes = pd.Series({"common": 30, "rare": 29})

    assert answer_words.few_in_words(sizes).startswith("Few examples: rare (29). Of n examples")
    assert answer_words.few_in_words(sizes[:1]) == ""


def test_agreement_is_told_against_the_student_with_no_soft_labels(answers: ModelAnswers) -> None:
    words = answer_words.agreement_in_words(answers.agreement_verdicts)

    assert words.startswith("Agreement beyond accuracy, inconclusive against the student with no")
    better = answers.agreement_verdicts.assign(verdict=verdict.BETTER)
    told = answer_words.agreement_in_words(better)
    assert "more than the student with no soft labels does: " in told
    few = answers.agreement_verdicts.assign(seeds=2)
    assert answer_words.agreement_in_words(few).endswith("2 seeds of at least 5: no verdict yet.")
    assert "no student with no soft labels" in answer_words.agreement_in_words(better[:0])


def test_the_best_and_the_worst_calibrated_are_named(answers: ModelAnswers) -> None:
    table = pd.DataFrame(
        {"what": ["A", "B"], "error": [0.2, 0.1], "chance": 0.03, "error_scaled": [0.04, 0.05]}
    )
    assert answer_words.calibration_in_words(table) == (
        "Smallest calibration error: B 0.100 (by chance 0.030); largest: A 0.200 (by chance "
        "0.030). With a temperature from the selection split: 0.040 to 0.050."
    )
    unknown = answer_words.calibration_in_words(table.assign(error_scaled=math.nan))
    assert "temperature" not in unknown
    assert answer_words.calibration_in_words(table[:0]) == "Numbers have no calibration."


def test_facts_have_only_models_that_are_finished(answers: ModelAnswers) -> None:
    facts = answers.facts()
    assert {each["after"] for each in facts["class_changes"]} == {
        *("student", "trial_student", "sparse_teacher", "random_mask_student", "plain_student")
    }
    nothing = ModelAnswers(
        sample_plan(task="demo/acceptability"), answers.card, "validation"
    ).facts()
    assert all(not table for table in nothing.values())
