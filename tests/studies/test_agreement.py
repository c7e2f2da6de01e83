"""Two models compared example by example, and by their parameters."""

import math

import numpy as np
import pandas as pd
import pytest

from sparsekd.errors import Incompatible
from sparsekd.studies import agreement
from sparsekd.tasks import TASKS
from tests.sample_study import sample_plan


def test_an_example_belongs_to_the_models_that_get_it_right() -> None:
    gold = np.array([0, 0, 1, 1])
    right, wrong = [2.0, -2.0], [-2.0, 2.0]
    one = np.array([right, right, right, wrong])
    other = np.array([right, wrong, wrong, right])

    table = agreement.example_agreement(TASKS["demo/sentiment"], (one, gold), (other, gold))

    # Of class 1, the logits called right above are the wrong ones.
    by_row = table.set_index("row").sort_index()
    assert list(by_row["right"]) == ["both", "first", "second", "first"]
    assert list(by_row["gold"]) == [TASKS["demo/sentiment"].labels[label] for label in gold]
    assert list(table["row"]) == [1, 2, 3, 0]  # those on which the two differ most come first
    sure = math.exp(2) / (math.exp(2) + math.exp(-2))
    assert list(table["first_confidence"]) == pytest.approx([sure] * 4)
    assert list(table["divergence"]) == pytest.approx([4 * (2 * sure - 1)] * 3 + [0])


def test_texts_stand_beside_the_answers_they_belong_to() -> None:
    gold = np.array([0, 1])
    logits = np.array([[2.0, -2.0], [2.0, -2.0]])
    texts = pd.DataFrame({"text": ["fine", "dull"], "pair": ["a", "b"], "label": gold})
    card = TASKS["demo/sentiment"]

    table = agreement.example_agreement(card, (logits, gold), (logits, gold), texts)

    assert list(table["text"]) == ["fine", "dull"]
    assert list(table["pair"]) == ["a", "b"]
    for wrong in (texts[:1], texts.assign(label=1 - gold)):
        with pytest.raises(Incompatible, match="not those that these models answered"):
            agreement.example_agreement(card, (logits, gold), (logits, gold), wrong)


def test_regressions_are_compared_by_distance() -> None:
    gold = np.array([1.0, 2.0, 3.0])
    one, other = np.array([[1.0], [0.0], [4.0]]), np.array([[2.0], [2.0], [2.0]])

    table = agreement.example_agreement(TASKS["demo/similarity"], (one, gold), (other, gold))

    assert list(table.set_index("row").sort_index()["right"]) == ["first", "second", "both"]
    assert list(table["divergence"]) == [4, 4, 1]


def test_only_parameters_that_differ_are_listed() -> None:
    table = agreement.parameter_differences(sample_plan()).set_index("parameter")

    assert set(table.index) == {"method", "teacher", "method alpha", "method temperature"}
    assert table.loc["teacher", "Student of the sparse teacher"] == "Sparse teacher"
    assert table.loc["teacher", "Student with no soft labels"] == "none"


def test_a_study_is_compared_with_its_trial_student_and_a_method_with_vanilla() -> None:
    study = ["teacher, seed 0", "trial_student, seed 0", "student, seed 0"]
    assert agreement.default_pair(study) == ("student, seed 0", "trial_student, seed 0")

    methods = ["teacher, seed 0", "fine_tuning, seed 0", "vanilla, seed 0", "pkd, seed 0"]
    assert agreement.default_pair(methods) == ("pkd, seed 0", "vanilla, seed 0")
