"""Labels and predictions of a task as text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import is_labelled


def label_text(card: TaskCard, label: float) -> str:
    """Return a label: the name of a class, a number, or a dash without one."""
    if not is_labelled(np.asarray(label)):
        return "–"
    return card.labels[int(label)] if card.labels else f"{label:.2f}"


def predicted(card: TaskCard, logits: NDArray[Any]) -> str:
    """Return what the logits predict: the name of the likeliest class, or a number.

    Shapes: logits (C,).
    """
    return card.labels[int(logits.argmax())] if card.labels else f"{float(logits[0]):.2f}"


def probabilities(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return the class probabilities.

    Shapes: logits (C,) -> (C,).
    """
    return np.asarray(softmax(logits.astype(np.float64)))


def confidence_text(card: TaskCard, logits: NDArray[Any]) -> str:
    """Return the probability of the predicted class in brackets; empty for a regression."""
    return f" ({probabilities(logits).max():.1%})" if card.labels else ""
