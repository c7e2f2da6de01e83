"""The units of one pool that are removed: how many, which, in which order."""

import numpy as np

from sparsekd.errors import BadInput
from sparsekd.units.scores import Counts, Flags, Matrix


def removal_count(pool: int, sparsity: float) -> int:
    """Return how many units of a pool are removed: rounded half to even, as in the reference."""
    return round(sparsity * pool)


def removal_flags(values: Matrix, count: int, round_to: int = 1) -> Flags:
    """Return true for the removed units of one pool: the `count` lowest, rounded in each layer.

    Shapes: (L, U) -> (L, U).
    """
    return _round_per_layer(values, lowest(values, count), _multiple(round_to))


def lowest(values: Matrix, count: int) -> Flags:
    """Return true for the `count` lowest values; among equals the first by (layer, index).

    A partition and a threshold: ten times faster than a stable sort, with the same result.

    Shapes: (L, U) -> (L, U).
    """
    flat = np.asarray(values).ravel()
    if count <= 0:
        return np.zeros(np.shape(values), dtype=bool)
    threshold = np.partition(flat, count - 1)[count - 1]
    chosen = flat < threshold
    ties = np.flatnonzero(flat == threshold)
    chosen[ties[: count - int(chosen.sum())]] = True
    shaped: Flags = chosen.reshape(np.shape(values))
    return shaped


def round_counts(counts: Counts, round_to: int, width: int) -> Counts:
    """Round the removals in a layer of `width`: nearest multiple, half to even, at most all."""
    nearest = np.rint(counts / _multiple(round_to)).astype(np.int64) * round_to
    return np.minimum(nearest, width)


def place(values: Matrix, own: int) -> int:
    """Return the place of a unit in the order of removal, from 1; ties by (layer, index).

    Args:
        own: The unit's flat index.
    """
    flat = values.ravel()
    return 1 + int((flat < flat[own]).sum() + (flat[:own] == flat[own]).sum())


def _multiple(round_to: int) -> int:
    if round_to < 1:
        raise BadInput(f"round_to = {round_to} is below 1.", "Choose 8, or 1 for no rounding.")
    return round_to


def _round_per_layer(values: Matrix, chosen: Flags, round_to: int) -> Flags:
    """Return the lowest of each layer, as many as `chosen` has there, rounded."""
    if round_to == 1:
        return chosen
    counts = round_counts(chosen.sum(axis=1), round_to, values.shape[1])
    return np.stack([lowest(row, int(n)) for row, n in zip(values, counts, strict=True)])
