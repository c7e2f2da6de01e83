"""Groups of examples, and a quantity without each of them: how much it depends on the examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsekd.tasks import metrics
from sparsekd.tasks.cards import TaskCard

GROUPS = 25
SEED = 0


def groups(examples: int) -> NDArray[np.int64]:
    """Return each example's group, of at most `GROUPS` of equal size: random, always the same.

    Shapes: -> (N,).
    """
    order = np.random.default_rng(SEED).permutation(examples)
    return order % min(GROUPS, max(examples, 1))


def without_groups(
    quantity: Callable[[NDArray[np.bool_]], float], examples: int
) -> NDArray[np.float64]:
    """Return a quantity of the examples, with each group of them left out.

    Args:
        quantity: Takes which examples are kept, shapes (N,).

    Shapes: -> (groups,).
    """
    group = groups(examples)
    return np.array([quantity(group != left_out) for left_out in range(group.max() + 1)])


def mean_without_groups(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean of the examples' values, with each group of them left out.

    Shapes: values (N,) -> (groups,).
    """
    group = groups(len(values))
    sums, counts = np.bincount(group, values), np.bincount(group)
    return np.asarray((sums.sum() - sums) / np.maximum(len(values) - counts, 1))


def metric_without_groups(
    card: TaskCard, name: str, logits: NDArray[Any], labels: NDArray[Any]
) -> NDArray[np.float64]:
    """Return a metric or the loss, with each group of examples left out.

    Shapes: logits (N, C), labels (N,), with several labels (N, C) -> (groups,).
    """
    single = metrics.by_example(card, name, logits, labels)
    if single is not None:
        return mean_without_groups(single)
    return without_groups(
        lambda kept: metrics.value(card, name, logits[kept], labels[kept]), len(labels)
    )
