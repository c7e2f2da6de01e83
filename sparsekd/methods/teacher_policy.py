"""A Bernoulli policy over teachers trained by REINFORCE, and stateless random draws."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsekd.methods.base import Rows

GOLDEN = 0x9E3779B97F4A7C15
FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


class TeacherPolicy:
    """A policy that selects each teacher independently: π(1 | s_k) = σ(A_k · s_k + b_k).

    It starts at one half everywhere. Choice of this project: each teacher has an A and b of its
    own, trained by Adam. An `offset` (N,), zero by default, is added to b where the policy acts.

    Source: Yuan et al., AAAI 2021, arXiv 2012.06048; REINFORCE: Williams, Machine Learning 1992.
    """

    def __init__(
        self,
        teachers: int,
        width: int,
        learning_rate: float,
        device: torch.device,
        bias_rate: float | None = None,
    ) -> None:
        self.weight = torch.zeros(teachers, width, device=device, requires_grad=True)
        self.bias = torch.zeros(teachers, device=device, requires_grad=True)
        self.offset = torch.zeros(teachers, device=device)
        rate = learning_rate if bias_rate is None else bias_rate
        groups: list[dict[str, Any]] = [
            {"params": [self.weight]},
            {"params": [self.bias], "lr": rate},
        ]
        self.adam = torch.optim.Adam(groups, lr=learning_rate, fused=True)

    def logits(self, states: Tensor) -> Tensor:
        """Return the log-odds of selection, multiplied and summed to avoid lower precision.

        Shapes: states (B, N, S) -> (B, N), S here the length of a state.
        """
        return (states * self.weight).sum(-1) + self.bias

    @torch.no_grad()
    def probabilities(self, states: Tensor, exploring: bool = True) -> Tensor:
        """Return the probability of selection, with or without the offset.

        Shapes: states (B, N, S) -> (B, N).
        """
        logits = self.logits(states)
        return torch.sigmoid(logits + self.offset if exploring else logits)

    def update(self, states: Tensor, actions: Tensor, advantage: Tensor) -> None:
        """Take one REINFORCE step.

        Shapes: states (B, N, S), actions (B, N) of 0 and 1, advantage (B,).
        """
        logits = self.logits(states)
        nll = F.binary_cross_entropy_with_logits(logits, actions, reduction="none").sum(-1)
        self.adam.zero_grad(set_to_none=True)
        torch.autograd.backward((advantage * nll).mean())
        self.adam.step()

    def ascend(self, weight: Tensor, bias: Tensor) -> None:
        """Take one step of Adam along these gradients of the reward.

        Shapes: weight (N, S), bias (N,).
        """
        self.weight.grad, self.bias.grad = -weight, -bias
        self.adam.step()

    def state_dict(self) -> dict[str, Tensor]:
        """Return weights and Adam's moments by name."""
        state = {"weight": self.weight.detach(), "bias": self.bias.detach()}
        for name, weight in (("weight", self.weight), ("bias", self.bias)):
            moments = self.adam.state.get(weight, {})
            state |= {f"{name}/{kind}": value for kind, value in moments.items()}
        return state

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
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
    """A bias-corrected exponential moving average; 0 before the first value."""

    def __init__(self, decay: float, device: torch.device) -> None:
        self.decay = decay
        self.sums = torch.zeros(2, device=device)  # of weighted values, and of their weights

    @property
    def value(self) -> Tensor:
        """Return the average so far."""
        return self.sums[0] / self.sums[1].clamp_min(1e-12)

    def add(self, value: Tensor) -> None:
        """Add a value."""
        now = torch.stack([value, torch.ones_like(value)])
        self.sums = self.decay * self.sums + (1 - self.decay) * now


def uniform(key: int, counters: tuple[int, ...], rows: Rows, teachers: int) -> Tensor:
    """Return numbers in [0, 1) that depend on key, counters, row and teacher alone.

    An instance's draw does not depend on the rest of its batch, and a resumed run repeats it.

    Shapes: rows (B,) -> (B, N).
    Source: SplitMix64; Steele, Lea, Flood, OOPSLA 2014.
    """
    state = _mix(np.asarray([key], dtype=np.uint64))
    for number in counters:
        state = _mix(state + np.uint64(number))
    state = _mix(state + np.asarray(rows, dtype=np.uint64))
    bits = _mix(state[:, None] + np.arange(teachers, dtype=np.uint64))
    return torch.from_numpy((bits >> np.uint64(40)).astype(np.float32) / 2.0**24)


def _mix(values: np.ndarray) -> np.ndarray:
    """Return SplitMix64's output for each state."""
    mixed = values + np.uint64(GOLDEN)
    for shift, factor in zip((30, 27), FACTORS, strict=True):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
