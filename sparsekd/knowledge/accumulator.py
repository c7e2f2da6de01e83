"""Sums of |gradient| over scoring batches and over examples, in any order of computation."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]

EXAMPLES = 2048  # a window: examples among which batches may be sorted by length
ACCUMULATORS = 64 * 2**20  # bytes that the sums of one window's scoring batches may take


class Sums:
    """Running sums of |gradient|, per scoring batch and per example, for both losses.

    A window is a run of whole scoring batches, the data's own order cut into pieces of
    `batch_size`. Each has its own accumulator, so that the examples of a window may come sorted
    by length.

    Shapes: of_batches, of_examples (2, U): expressiveness, friendliness.
    """

    def __init__(self, examples: int, units: int, batch_size: int) -> None:
        self.examples, self.units, self.batch_size = examples, units, batch_size
        most = ACCUMULATORS // (2 * 4 * units)
        self.width = max(min(EXAMPLES // batch_size, most), 1)
        self.of_batches, self.of_examples = np.zeros((2, units)), np.zeros((2, units))
        self.sums: Tensor | None = None

    def windows(self) -> list[slice]:
        """Return the rows of each window, in order."""
        step = self.width * self.batch_size
        return [
            slice(start, min(start + step, self.examples))
            for start in range(0, self.examples, step)
        ]

    def add(self, rows: NDArray[np.int64], gradients: Tensor, shares: Array) -> None:
        """Add some examples of the current window.

        Args:
            shares: Weight of each direction in each loss, for each example.

        Shapes: rows (B,), gradients (B, K, U), shares (2, B, K).
        """
        weights = torch.from_numpy(shares).to(gradients)
        self.of_examples += _total(_per_example(gradients, weights))
        if self.sums is None:
            self.sums = gradients.new_zeros(2 * self.width, self.units)
        batches = rows // self.batch_size
        sizes = np.minimum(self.examples - batches * self.batch_size, self.batch_size)
        place = torch.from_numpy(batches % self.width)
        mean = weights / torch.from_numpy(sizes[:, None]).to(weights)
        choice = weights.new_zeros(2, self.width, *weights.shape[1:])
        choice[:, place, torch.arange(len(rows))] = mean
        self.sums.addmm_(choice.flatten(2).flatten(0, 1), gradients.flatten(0, 1))

    def close_window(self) -> None:
        """Add the absolute sums of the window's batches, and start the next window."""
        if self.sums is not None:
            self.of_batches += _total(self.sums.abs().view(2, self.width, self.units).sum(dim=1))
            self.sums.zero_()


def _per_example(gradients: Tensor, weights: Tensor) -> Tensor:
    """Return Σ over examples of |Σ_k weight · gradient|.

    Shapes: gradients (B, K, U), weights (2, B, K) -> (2, U).
    """
    if gradients.shape[1] == 1:  # |w · g| = |w| · |g|: one product of matrices
        return weights[..., 0].abs() @ gradients[:, 0].abs()
    return (weights.transpose(0, 1) @ gradients).abs().sum(dim=0)


def _total(sums: Tensor) -> Array:
    total: Array = sums.cpu().double().numpy()
    return total
