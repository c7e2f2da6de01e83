"""A Bernoulli policy over teachers, learned by REINFORCE, and draws that need no generator."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsekd.methods.base import Rows

GOLDEN = 0x9E3779B97F4A7C15
FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


class TeacherPolicy:
    """Whether each teacher teaches an instance: π(1 | s_k) = σ(A_k · s_k + b_k), independently.

    Starts at one half everywhere. [choice] Each teacher has an A and b of its own, trained by
    Adam.

    Source: Yuan et al., AAAI 2021, arXiv 2012.06048; REINFORCE: Williams, Machine Learning 1992.
    """

    def __init__(self, teachers: int, width: int, rate: float, device: torch.device) -> None:
        self.weight = torch.zeros(teachers, width, device=device, requires_grad=True)
        self.bias = torch.zeros(teachers, device=device, requires_grad=True)
        self.adam = torch.optim.Adam([self.weight, self.bias], lr=rate, fused=True)

    def log_odds(self, states: Tensor) -> Tensor:
        """Of teaching. Multiplied and summed, so that lower precision never enters.

        Shapes: states (B, N, S) -> (B, N), S here the length of a state.
        """
        return (states * self.weight).sum(-1) + self.bias

    @torch.no_grad()
    def probabilities(self, states: Tensor) -> Tensor:
        """Shapes: states (B, N, S) -> (B, N)."""
        return torch.sigmoid(self.log_odds(states))

    def learn(self, states: Tensor, actions: Tensor, advantage: Tensor) -> None:
        """One REINFORCE step: what was done becomes likelier where it was better than expected.

        Shapes: states (B, N, S), actions (B, N) of 0 and 1, advantage (B,).
        """
        odds = self.log_odds(states)
        surprise = F.binary_cross_entropy_with_logits(odds, actions, reduction="none").sum(-1)
        self.adam.zero_grad(set_to_none=True)
        torch.autograd.backward((advantage * surprise).mean())
        self.adam.step()

    def state_dict(self) -> dict[str, Tensor]:
        """Weights and Adam's moments by name."""
        found = {"weight": self.weight.detach(), "bias": self.bias.detach()}
        for name, weight in (("weight", self.weight), ("bias", self.bias)):
            moments = self.adam.state.get(weight, {})
            found |= {f"{name}/{kind}": value for kind, value in moments.items()}
        return found

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        for name, weight in (("weight", self.weight), ("bias", self.bias)):
            weight.copy_(state[name])
            moments = {
                kind: state[f"{name}/{kind}"].clone().to(weight.device)
                for kind in ("step", "exp_avg", "exp_avg_sq")
                if f"{name}/{kind}" in state
            }
            if moments:
                self.adam.state[weight] = moments


class MovingAverage:
    """An exponential moving average that is not drawn towards its start; 0 before any value."""

    def __init__(self, decay: float, device: torch.device) -> None:
        self.decay = decay
        self.sums = torch.zeros(2, device=device)  # of weighted values, and of their weights

    @property
    def value(self) -> Tensor:
        """The average so far."""
        return self.sums[0] / self.sums[1].clamp_min(1e-12)

    def add(self, value: Tensor) -> None:
        """Count one more value."""
        now = torch.stack([value, torch.ones_like(value)])
        self.sums = self.decay * self.sums + (1 - self.decay) * now


def draws(key: int, place: tuple[int, ...], rows: Rows, teachers: int) -> Tensor:
    """Uniform numbers in [0, 1) that depend on key, place, row and teacher alone.

    So an instance draws the same in any company, and a resumed run draws what it would have.

    Shapes: rows (B,) -> (B, N).
    Source: SplitMix64; Steele, Lea, Flood, OOPSLA 2014.
    """
    at = _mixed(np.asarray([key], dtype=np.uint64))
    for number in place:
        at = _mixed(at + np.uint64(number))
    at = _mixed(at + np.asarray(rows, dtype=np.uint64))
    each = _mixed(at[:, None] + np.arange(teachers, dtype=np.uint64))
    return torch.from_numpy((each >> np.uint64(40)).astype(np.float32) / 2.0**24)


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's next number from each counter."""
    found = values + np.uint64(GOLDEN)
    for shift, factor in zip((30, 27), FACTORS, strict=True):
        found = (found ^ (found >> np.uint64(shift))) * np.uint64(factor)
    return found ^ (found >> np.uint64(31))
