"""Agreement of two models by hand and by simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sparsekd.tasks import agreement, find, jackknife
from sparsekd.tasks.cards import TaskCard

CARD = find("glue/mrpc")
THREE = replace(CARD, labels=("a", "b", "c"))
NUMBERS = find("glue/stsb")


def test_agreement_and_divergence_by_hand() -> None:
    teacher = np.log(np.array([[0.5, 0.5 - 1e-9], [0.9, 0.1], [0.2, 0.8]])) - 1
    student = np.log(np.array([[0.25, 0.75], [0.9, 0.1], [0.2, 0.8]])) + 2
    labels = np.array([0, 0, 1])

    found = agreement.agreement(CARD, teacher, student, labels)

    assert found["agreement"] == pytest.approx(2 / 3)
    one = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert found["divergence"] == pytest.approx(one / 3)
    np.testing.assert_allclose(
        agreement.divergences(CARD, teacher, student), [one, 0, 0], atol=1e-7
    )
    # Class 0: the teacher says 0 both times, the student once: 1/2. Class 1: both say 1.
    assert found["independent"] == pytest.approx((2 * 0.5 + 1) / 3)


def test_models_that_err_independently_agree_as_often_as_expected() -> None:
    random = np.random.default_rng(0)
    labels = random.choice(3, 100_000, p=[0.6, 0.3, 0.1])

    def model(skill: float) -> np.ndarray:
        guessed = np.where(random.random(len(labels)) < skill, labels, random.integers(0, 3))
        return np.eye(3)[guessed]

    found = agreement.agreement(THREE, model(0.8), model(0.6), labels)

    assert found["agreement"] == pytest.approx(found["independent"], abs=0.005)


def test_models_of_one_accuracy_may_agree_fully_or_little() -> None:
    labels = np.zeros(10, dtype=int)
    one, other = np.eye(2)[[1, 1] + [0] * 8], np.eye(2)[[0] * 8 + [1, 1]]

    assert agreement.agreement(CARD, one, one, labels)["agreement"] == 1
    assert agreement.agreement(CARD, one, other, labels)["agreement"] == pytest.approx(0.6)


def test_each_class_has_its_own_agreement() -> None:
    labels = np.array([0, 0, 1])
    teacher, student = np.eye(3)[[0, 1, 1]], np.eye(3)[[0, 0, 1]]

    found = agreement.by_class(THREE, teacher, student, labels)

    assert list(found["examples"]) == [2, 1, 0]
    np.testing.assert_array_equal(found["agreement"], [0.5, 1, np.nan])
    step = agreement.divergences(THREE, teacher[1:2], student[1:2])[0]
    np.testing.assert_allclose(found["divergence"], [step / 2, 0, np.nan], atol=1e-12)


def test_numbers_agree_by_their_correlation() -> None:
    teacher, student = np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [4.0], [6.0]])

    found = agreement.agreement(NUMBERS, teacher, student, np.zeros(3))

    assert found["agreement"] == pytest.approx(1)
    assert found["divergence"] == pytest.approx((1 + 4 + 9) / 3)
    assert math.isnan(found["independent"])
    assert agreement.by_class(NUMBERS, teacher, student, np.zeros(3)).empty


@pytest.mark.parametrize("card", [THREE, NUMBERS])
def test_without_a_group_is_the_agreement_of_the_others(card: TaskCard) -> None:
    random, classes = np.random.default_rng(0), card.classes
    teacher, student = random.normal(size=(2, 60, classes))
    labels = random.integers(0, 3, 60) if classes > 1 else random.normal(size=60)

    found = agreement.without_groups(card, teacher, student, labels)

    group = jackknife.groups(60)
    for left_out in (0, 7):
        kept = group != left_out
        own = agreement.agreement(card, teacher[kept], student[kept], labels[kept])
        likeness = own["agreement"] - np.nan_to_num(own["independent"])
        assert found["agreement"][left_out] == pytest.approx(own["agreement"])
        assert found["divergence"][left_out] == pytest.approx(own["divergence"])
        assert found["likeness"][left_out] == pytest.approx(likeness)
