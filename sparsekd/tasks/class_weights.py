"""Class weights: how much each class counts in the loss of gold labels."""

import numpy as np
from numpy.typing import NDArray

from sparsekd.errors import Incompatible
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import Values, is_labelled


def balanced(labels: Values, classes: int) -> NDArray[np.float32]:
    """Return weights by which the classes of the labelled examples count equally.

    Class c: n / (C′ · n_c), for n_c of n labelled examples and C′ classes that occur; 1 for one
    that does not. With several labels, the weight of the texts to which label c applies, beside 1
    for the others: (n − n_c) / n_c; 1 where it applies to none or to all.

    Shapes: labels (N,), with several labels (N, C) -> (C,).
    Source: scikit-learn, compute_class_weight("balanced"); PyTorch, BCEWithLogitsLoss, pos_weight.
    """
    known = labels[is_labelled(labels)]
    weights = np.ones(classes)
    if labels.ndim == 2:
        applies = known.sum(axis=0)
        both = (applies > 0) & (applies < len(known))
        weights[both] = (len(known) - applies[both]) / applies[both]
    else:
        counts = np.bincount(known, minlength=classes)
        occurs = counts > 0
        weights[occurs] = len(known) / (occurs.sum() * counts[occurs])
    return weights.astype(np.float32)


def check(card: TaskCard, class_weights: str) -> None:
    """Check that the labels of a task can be weighted.

    Raises:
        Incompatible: they are numbers.
    """
    if class_weights != "none" and card.regression:
        raise Incompatible(
            f"class_weights = {class_weights}: the labels of {card.name} are numbers, which have "
            "no classes.",
            "Choose a task of classes or labels, or class_weights none.",
        )
