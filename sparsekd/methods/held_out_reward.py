"""A policy's delayed reward: the decrease of the held-out loss by the student's own updates."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.methods.teacher_policy import MovingAverage, TeacherPolicy, uniform

EXPLORATION = 3  # a stream of random draws unlike those of the actions
DECAY = 0.8  # of the moving averages: gains fall over a training
MOST = 1 - 1e-6  # of a uniform draw, so that its normal quantile is finite
STATE = ("loss", "score", "count", "offset", "baseline", "scale")


class HeldOutReward:
    """Trains a policy on the decrease of the mean gold loss on the selection split.

    The steps after the pre-training are cut into windows, each with one reward, the loss at its
    start minus the loss at its end: what the student's real updates with the selected teachers
    changed on examples that neither student nor teachers are trained on. During a window the bias
    of each teacher is b + e, with e drawn from N(0, σ²) and the same for all instances: otherwise
    every window would have the same shares of the teachers, and no reward would tell them apart.
    After it the policy takes one REINFORCE step: the score of b is e / σ², that of A the sum of
    (a − π) · s over the window's instances.

    Choices of this project: the source rewards −L_CE of a batch, and each teacher's own instance
    is a batch's; the baseline is a moving average of earlier gains, and advantages are divided by
    their root mean square.

    Source: Yuan et al., AAAI 2021, arXiv 2012.06048 (delayed rewards); Williams, Machine Learning
    1992; Sehnke et al., Neural Networks 2010 (exploration by drawn parameters).
    """

    def __init__(
        self,
        params: TeacherSelectionParams,
        policy: TeacherPolicy,
        pretrained: int,
        steps: int,
        key: int,
    ) -> None:
        self.policy, self.key, self.sigma = policy, key, params.exploration
        self.ends = window_ends(pretrained, steps, params.rewards)
        device = policy.weight.device
        self.loss = torch.zeros((), dtype=torch.float64)
        self.score, self.count = torch.zeros_like(policy.weight), torch.zeros((), device=device)
        self.baseline = MovingAverage(DECAY, device)
        self.scale = MovingAverage(DECAY, device)

    @torch.no_grad()
    def add(self, states: Tensor, actions: Tensor) -> None:
        """Add a batch of the window to the score of A.

        Shapes: states (B, N, S), actions (B, N) of 0 and 1.
        """
        surprise = actions - self.policy.probabilities(states)
        self.score += (surprise[..., None] * states).sum(0)
        self.count += len(states)

    def start(self, step: int, loss: float) -> None:
        """Begin a window after a step with this held-out loss: draw the biases that it explores."""
        self.loss = torch.tensor(loss, dtype=torch.float64)
        self.score, self.count = torch.zeros_like(self.score), torch.zeros_like(self.count)
        row, teachers = np.zeros(1, dtype=np.int64), len(self.policy.bias)
        drawn = uniform(self.key, (EXPLORATION, step), row, teachers)[0].clamp(1 - MOST, MOST)
        self.policy.offset = self.sigma * torch.special.ndtri(drawn).to(self.policy.bias.device)

    def end(self, step: int, loss: float) -> tuple[float, float]:
        """End a window, update the policy and begin the next; return the gain and its baseline."""
        gain = float(self.loss) - loss
        value = torch.tensor(gain, dtype=torch.float32, device=self.policy.bias.device)
        average = self.baseline.value
        if self.baseline.sums[1] > 0:
            advantage = value - average
            self.scale.add(advantage.square())
            advantage = advantage / self.scale.value.sqrt().clamp_min(1e-12)
            shares = self.score / self.count.clamp_min(1)
            self.policy.ascend(advantage * shares, advantage * self.policy.offset / self.sigma**2)
        self.baseline.add(value)
        self.start(step, loss)
        return gain, float(average)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the window so far and the moving averages."""
        parts = (self.loss, self.score, self.count, self.policy.offset)
        sums = (self.baseline.sums, self.scale.sums)
        return dict(zip(STATE, (*parts, *sums), strict=True))

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        device = self.policy.bias.device
        own = {name: each.clone().to(device) for name, each in state.items()}
        self.loss, self.score, self.count = state["loss"].clone(), own["score"], own["count"]
        self.policy.offset = own["offset"]
        self.baseline.sums, self.scale.sums = own["baseline"], own["scale"]


def window_ends(pretrained: int, steps: int, rewards: int) -> tuple[int, ...]:
    """Return the steps followed by a pass over the selection split: the first begins a window.

    The windows divide the steps after the pre-training evenly; there are as many as rewards, or as
    steps where these are fewer.
    """
    remaining = steps - pretrained
    windows = min(rewards, remaining)
    return tuple(pretrained - 1 + window * remaining // windows for window in range(windows + 1))
