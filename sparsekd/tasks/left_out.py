"""Metrics with one example left out, from counts: all examples in one step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsekd.tasks.cards import TaskCard

Array = NDArray[Any]


def without_each(
    card: TaskCard, name: str, labels: Array, predictions: Array, counts: Array
) -> NDArray[np.float64]:
    """Return a metric of classes or labels with one example of each kind left out.

    Equal to `sparsekd.tasks.metrics.METRICS[name]` of the remaining examples.

    Args:
        counts: How many examples there are of each kind.

    Shapes: labels and predictions (N,), with several labels (N, C); counts (N,) -> (N,).
    """
    gold, given = (
        each if card.multilabel else np.eye(card.classes)[each] for each in (labels, predictions)
    )
    right = (gold == given).all(axis=1)
    hits, golds, givens, correct = (
        counts @ each.astype(np.float64) - each for each in (gold * given, gold, given, right)
    )  # of each class; summed over the examples that remain
    if name in ("accuracy", "subset_accuracy"):
        return np.asarray(correct / (counts.sum() - 1))
    if name == "micro_f1":
        return _ratio(2 * hits.sum(axis=1), (golds + givens).sum(axis=1))
    if name == "mcc":
        return _mcc(hits.sum(axis=1), golds, givens)
    if name == "balanced_accuracy":
        return _mean(_ratio(hits, golds), golds > 0)
    f1 = _ratio(2 * hits, golds + givens)
    if name == "f1" and card.classes == 2:
        return f1[:, 1]
    if name in ("f1", "macro_f1"):
        return _mean(f1, np.full(f1.shape, True) if card.multilabel else golds + givens > 0)
    raise ValueError(name)


def _mcc(hits: Array, golds: Array, givens: Array) -> NDArray[np.float64]:
    """Compute Matthews correlation of several classes.

    Source: Gorodkin, Computational Biology and Chemistry, 2004.
    """
    total = golds.sum(axis=1)
    spread = [total**2 - (each**2).sum(axis=1) for each in (golds, givens)]
    return _ratio(hits * total - (golds * givens).sum(axis=1), np.sqrt(spread[0] * spread[1]))


def _ratio(above: Array, below: Array) -> NDArray[np.float64]:
    """Return a quotient, 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros(below.shape), where=below > 0)


def _mean(values: Array, there: Array) -> NDArray[np.float64]:
    """Return the mean over the classes that are there."""
    return _ratio((values * there).sum(axis=1), there.sum(axis=1))
