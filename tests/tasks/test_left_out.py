"""Metrics with one example left out are those of scikit-learn on the others."""

import numpy as np
import pytest

from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.left_out import without_each
from sparsekd.tasks.metrics import METRICS
from tests.tasks.test_majority import card

CLASSES = [name for name, one in METRICS.items() if "classes" in one.kinds]
LABELS = [name for name, one in METRICS.items() if "labels" in one.kinds]


def check(task: TaskCard, name: str, labels: np.ndarray, predictions: np.ndarray) -> None:
    places = np.arange(len(labels))
    expected = [
        METRICS[name].function(labels[places != one], predictions[places != one], task.classes)
        for one in places
    ]
    found = without_each(task, name, labels, predictions, np.ones(len(labels), dtype=np.int64))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    kinds, rows, counts = np.unique(
        np.column_stack([labels, predictions]), axis=0, return_index=True, return_counts=True
    )
    assert len(kinds) < len(labels)
    of_kinds = without_each(task, name, labels[rows], predictions[rows], counts)
    np.testing.assert_allclose(of_kinds, found[rows], atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", CLASSES)
def test_of_classes_of_which_some_are_rare_or_never_predicted(name: str, classes: int) -> None:
    task = card("two" if classes == 2 else "three", (name,))
    drawn = np.random.default_rng(0)
    rare = np.array([0] * 9 + [1] * 7 + [classes - 1])  # without its last, no example is of it
    for predictions in (drawn.integers(0, 2, 17), np.zeros(17, dtype=np.int64)):
        check(task, name, rare, predictions)


@pytest.mark.parametrize("name", LABELS)
def test_of_several_labels_of_which_some_are_never_predicted_and_one_never_there(name: str) -> None:
    task = card("labels", (name,))
    drawn = np.random.default_rng(1)
    labels, predictions = drawn.integers(0, 2, (2, 40, 3))
    labels[:, 2], predictions[:, 1:] = 0, 0
    labels[7, 1] = 1
    check(task, name, labels, predictions)
    check(task, name, labels, np.zeros_like(predictions))
