"""The mean of each loss term over an epoch."""

from dataclasses import dataclass, field

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
            precise = term.double() if term.device.type == "cpu" else term.float()
            self.sums[name] = self.sums.get(name, 0) + precise.sum()
            self.counts[name] = self.counts.get(name, 0) + len(term)

    def values(self) -> dict[str, float]:
        """Return each term's mean over its examples."""
        return {name: total.item() / self.counts[name] for name, total in self.sums.items()}

    def clear(self) -> None:
        """Start a new epoch."""
        self.sums, self.counts = {}, {}
