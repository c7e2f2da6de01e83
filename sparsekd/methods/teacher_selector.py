"""The selector of teachers: its policy, its reward baselines, and their training by REINFORCE."""

import torch
from torch import Tensor

from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.errors import Incompatible
from sparsekd.methods.base import Setup
from sparsekd.methods.teacher_policy import MovingAverage, TeacherPolicy
from sparsekd.methods.teacher_rewards import Instances, look_ahead, reward, teacher_weights


def uses_accuracy(params: TeacherSelectionParams) -> bool:
    """Return whether held-out accuracy is part of the reward (r3)."""
    return params.choose == "policy" and params.reward == "r3"


def check_setup(params: TeacherSelectionParams, setup: Setup, pretrained: int) -> None:
    """Check the number of teachers and that rewards from the selection split can be computed.

    Raises:
        Incompatible: it cannot, or there are fewer than two teachers.
    """
    if setup.teacher_count < 2:
        raise Incompatible(
            f"Selecting among teachers takes two or more, not {setup.teacher_count}.",
            "Name each one: --teacher A --teacher B.",
        )
    if params.rewards_held_out and setup.steps == pretrained:
        raise Incompatible(
            "A training of one step leaves none after the pre-training to be rewarded.",
            "Train longer, or choose another reward.",
        )
    if not uses_accuracy(params):
        return
    if setup.selection_rows < setup.batch_size:
        raise Incompatible(
            f"The selection split has {setup.selection_rows} examples, a batch "
            f"{setup.batch_size}: too few for a reward.",
            "Lower batch_size, choose another reward, or add training data.",
        )
    every, remaining = params.reward_every, setup.steps - pretrained
    if remaining < every:
        raise Incompatible(
            f"Held-out accuracy would never be evaluated: {remaining} steps follow the "
            f"pre-training, and it is evaluated every {every}.",
            f"Set reward_every to {max(1, remaining)} or less, or choose another reward.",
        )


class TeacherSelector:
    """A policy over N teachers with states of length `width`, trained by REINFORCE.

    `window` holds the states and actions since the last reward from accuracy.

    Source: Yuan et al., AAAI 2021, arXiv 2012.06048; the baselines are choices of this project.
    """

    def __init__(
        self, params: TeacherSelectionParams, teachers: int, width: int, device: torch.device
    ) -> None:
        self.params, self.device = params, device
        bias_rate = params.bias_rate if params.rewards_held_out else None
        self.policy = TeacherPolicy(teachers, width, params.selector_rate, device, bias_rate)
        self.gain = MovingAverage(params.baseline_decay, device)
        self.accuracy = MovingAverage(params.baseline_decay, device)
        self.window: list[tuple[Tensor, Tensor]] = []

    def sample(self, instances: Instances, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Return the policy's actions for these uniform draws, and each teacher's weight.

        Shapes: draws (B, N) -> (B, N), (B, N).
        """
        probabilities = self.policy.probabilities(instances.states)
        actions = (draws.to(self.device) < probabilities).float()
        return actions, teacher_weights(actions, probabilities)

    def reinforce(
        self, instances: Instances, actions: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take one REINFORCE step; return the mean reward and baseline.

        Shapes: actions, weights (B, N) -> (), ().
        """
        equal = torch.full_like(weights, 1 / weights.shape[-1])
        logits = look_ahead(instances, weights, self.params)
        after = reward(logits, instances, weights, self.params)
        before = reward(instances.student, instances, equal, self.params)
        average = self.gain.value
        advantage = after - before - average
        if self.params.credit == "batch":
            advantage = advantage.mean().expand(len(instances))
        if uses_accuracy(self.params):
            advantage = self.params.gamma * advantage
        self.policy.update(instances.states, actions, advantage)
        self.gain.add((after - before).mean())
        return after.mean(), before.mean() + average

    def reinforce_by_accuracy(self, accuracy: float) -> tuple[Tensor, Tensor]:
        """Take one REINFORCE step on the window and empty it; return the accuracy and baseline.

        Shapes: -> (), ().
        """
        states, actions = (torch.cat(part) for part in zip(*self.window, strict=True))
        self.window = []
        value = torch.tensor(accuracy, dtype=torch.float32, device=self.device)
        baseline = self.accuracy.value if self.accuracy.sums[1] else value
        advantage = (1 - self.params.gamma) * (value - baseline)
        self.policy.update(states, actions, advantage.expand(len(states)))
        self.accuracy.add(value)
        return value, baseline

    def state_dict(self) -> dict[str, Tensor]:
        """Return the policy, the baselines and the window."""
        state = {f"policy/{name}": tensor for name, tensor in self.policy.state_dict().items()}
        state |= {"gain": self.gain.sums, "quality": self.accuracy.sums}
        for number, (states, actions) in enumerate(self.window):
            state |= {f"window/{number}/states": states, f"window/{number}/actions": actions}
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        prefix, own = "policy/", {name: each.to(self.device) for name, each in state.items()}
        policy = {key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)}
        self.policy.load_state_dict(policy)
        self.gain.sums, self.accuracy.sums = own["gain"], own["quality"]
        steps = sum(name.startswith("window/") for name in own) // 2
        self.window = [
            (own[f"window/{number}/states"], own[f"window/{number}/actions"])
            for number in range(steps)
        ]
