"""Labels and predictions of a task as text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from sparsekd.tasks.cards import Kind, TaskCard
from sparsekd.tasks.labels import is_labelled

NO_LABEL_APPLIES = "(none)"


def label_text(card: TaskCard, label: Any) -> str:
    """Return a label: the name of a class, a number, several names, or a dash without one.

    Shapes: label (), with several labels (C,).
    """
    if card.multilabel:
        known = is_labelled(np.asarray(label, dtype=np.float32)[None])[0]
        return ", ".join(names_of(card.labels, label)) or NO_LABEL_APPLIES if known else "–"
    if not is_labelled(np.asarray(label)):
        return "–"
    return card.labels[int(label)] if card.labels else f"{label:.2f}"


def names_of(labels: tuple[str, ...], flags: Any) -> list[str]:
    """Return the labels that apply. Shapes: flags (C,), above 0 for those."""
    return [name for name, flag in zip(labels, flags, strict=True) if flag > 0]


def predicted(card: TaskCard, logits: NDArray[Any]) -> str:
    """Return what the logits predict: the likeliest class, all labels above ½, or a number.

    Shapes: logits (C,).
    """
    if card.multilabel:
        return label_text(card, logits)
    return card.labels[int(logits.argmax())] if card.labels else f"{float(logits[0]):.2f}"


def probabilities(kind: Kind, logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return the probability of each class; of several labels, that of each by itself.

    Shapes: logits (…, C) -> (…, C).
    """
    exact = np.asarray(logits, dtype=np.float64)
    return np.asarray(expit(exact) if kind == "labels" else softmax(exact, axis=-1))


def confidence_text(card: TaskCard, logits: NDArray[Any]) -> str:
    """Return the probability of the predicted class in brackets; empty for other predictions."""
    return f" ({probabilities(card.kind, logits).max():.1%})" if card.kind == "classes" else ""
