"""The mean of each loss term over an epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class LossMeans:
    """Sums and example counts of each loss term over one epoch so far."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, terms: dict[str, Tensor]) -> None:
        """Add the terms of one batch, on their device: reading them would wait for a GPU.

        Shapes: each term (B,).
        """
        for name, term in terms.items():
            self.sums[name] = self.sums.get(name, 0) + _precise(term).sum()
            self.counts[name] = self.counts.get(name, 0) + len(term)

    def values(self) -> dict[str, float]:
        """Return each term's mean over its examples."""
        return {name: total.item() / self.counts[name] for name, total in self.sums.items()}

    def clear(self) -> None:
        """Start a new epoch."""
        self.sums, self.counts = {}, {}


def add_all(means: Sequence[LossMeans], terms: dict[str, Tensor], counts: Sequence[int]) -> None:
    """Add the terms of one batch of each of several students, by one addition for all of them.

    Shapes: each term (S, B), S students; counts, the examples of each.
    """
    for name, term in terms.items():
        sums = _precise(term).sum(1)
        for each, count in zip(means, counts, strict=True):
            if name not in each.sums:
                each.sums[name] = torch.zeros_like(sums[0])
            each.counts[name] = each.counts.get(name, 0) + count
        torch._foreach_add_([each.sums[name] for each in means], list(sums.unbind()))


def _precise(term: Tensor) -> Tensor:
    return term.double() if term.device.type == "cpu" else term.float()
