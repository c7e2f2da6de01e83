"""Class by class: against scikit-learn, and by hand where a class is missing."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from sparsekd.tasks import classes, find, jackknife

CARD = replace(find("glue/mrpc"), labels=("a", "b", "c", "d"))


def drawn(examples: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are often right, on classes of very different size."""
    random = np.random.default_rng(3)
    labels = random.choice(4, examples, p=[0.7, 0.2, 0.07, 0.03])
    return np.eye(4)[labels] * 2 + random.normal(0, 1.5, (examples, 4)), labels


def test_classes_are_those_of_scikit_learn() -> None:
    logits, labels = drawn()

    found = classes.by_class(CARD, logits, labels)

    expected = precision_recall_fscore_support(
        labels, logits.argmax(axis=1), labels=range(4), zero_division=np.nan
    )
    for name, values in zip(("precision", "recall", "f1", "examples"), expected, strict=True):
        np.testing.assert_allclose(found[name], values)
    assert list(found["label"]) == ["a", "b", "c", "d"]


def test_what_is_undefined_is_not_a_number() -> None:
    labels = np.array([0, 0, 1])
    logits = np.eye(4)[[0, 2, 0]]

    found = classes.by_class(CARD, logits, labels).set_index("label")

    np.testing.assert_array_equal(found["recall"], [0.5, 0, np.nan, np.nan])
    np.testing.assert_array_equal(found["precision"], [0.5, np.nan, 0, np.nan])
    np.testing.assert_array_equal(found["f1"], [0.5, 0, 0, np.nan])


def test_the_calibration_of_a_class_by_hand() -> None:
    # Class a has probability 0.8, 0.8 and 0.2, and is there once each: |0.8·2 − 1| + |0.2 − 1|.
    two = replace(CARD, labels=("a", "b"))
    logits = np.log(np.array([[0.8, 0.2], [0.8, 0.2], [0.2, 0.8]]))

    found = classes.by_class(two, logits, np.array([0, 1, 0]))

    assert found["calibration_error"][0] == pytest.approx((0.6 + 0.8) / 3)


def test_a_regression_has_no_classes() -> None:
    assert classes.by_class(find("glue/stsb"), np.ones((3, 1)), np.arange(3.0)).empty


def test_without_a_group_the_classes_are_those_of_the_other_examples() -> None:
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(60, CARD.classes)), random.integers(0, CARD.classes, 60)

    found = classes.without_groups(CARD, logits, labels)

    kept = jackknife.groups(60) != 7
    own = classes.by_class(CARD, logits[kept], labels[kept])
    for measure in ("precision", "recall", "f1"):
        assert found[measure][7] == pytest.approx(own[measure].to_numpy(), nan_ok=True)
