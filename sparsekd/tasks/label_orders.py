"""The order of labels under which a classifier's outputs agree best with the gold labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import is_labelled


def best_order(
    card: TaskCard, answers: NDArray[Any], labels: NDArray[Any]
) -> tuple[tuple[str, ...], float]:
    """Return the labels in the order of the outputs that gives the most right answers.

    The second value is the accuracy in that order. For one class per text.

    Shapes: answers (N, C), labels (N,).
    """
    from scipy.optimize import linear_sum_assignment  # takes a while to load

    rows = is_labelled(labels)
    counts = np.zeros((card.classes, card.classes), dtype=np.int64)
    np.add.at(counts, (answers[rows].argmax(axis=1), labels[rows].astype(np.int64)), 1)
    outputs, classes = linear_sum_assignment(counts, maximize=True)
    right = counts[outputs, classes].sum()
    return tuple(card.labels[place] for place in classes), float(right / max(1, rows.sum()))
