"""How far a selection of teachers agrees with the oracle's, and with equal weights."""

import torch
from torch import Tensor


def overlap(weights: Tensor, others: Tensor) -> Tensor:
    """Return Σ min(w, v) of two sets of weights: 1 for equal ones, 0 for disjoint ones.

    It is 1 minus the total variation distance. With a single teacher on one side it is the weight
    that the other gives it.

    Shapes: weights, others (B, N), rows that add up to 1 -> (B,).
    """
    return torch.minimum(weights, others).sum(-1)


class ChoiceAgreement:
    """The mean overlap of the weights of N teachers with the oracle's and with equal ones.

    Over labelled instances, as they were trained on. The oracle is the teacher with the smallest
    loss on the gold label. Chance, the overlap of one teacher drawn at random with either, is
    1 / N; equal weights have 1 / N with the oracle and 1 with themselves.
    """

    def __init__(self, teachers: int, device: torch.device) -> None:
        self.teachers = teachers
        self.sums = torch.zeros(3, device=device)  # oracle, equal weights, instances

    def add(self, weights: Tensor, losses: Tensor, labelled: Tensor) -> None:
        """Add a batch.

        Shapes: weights, losses (B, N), labelled (B,).
        """
        best = torch.nn.functional.one_hot(losses.argmin(-1), self.teachers).to(weights.dtype)
        equal = torch.full_like(weights, 1 / self.teachers)
        own = torch.stack(
            [overlap(weights, best), overlap(weights, equal), torch.ones_like(losses[:, 0])]
        )
        self.sums = self.sums + (own * labelled).sum(-1)

    def facts(self) -> dict[str, float]:
        """Return both means and chance; empty before the first labelled instance."""
        oracle, equal, count = self.sums.tolist()
        if not count:
            return {}
        return {"oracle": oracle / count, "equal": equal / count, "chance": 1 / self.teachers}
