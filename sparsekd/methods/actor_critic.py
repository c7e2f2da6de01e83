"""An actor–critic agent whose state is the mean [CLS] of student and teacher."""

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

BATCH_SIZE = 32  # transitions per update
ENCODED = 8  # dimensions of each encoder's output
SCALARS = ("phases", "gains", "bonuses", "last")


class ActorCritic(nn.Module):
    """Networks over the mean [CLS] of the student and of the teacher, S = both widths together.

    A 2-layer encoder per model feeds an actor and a critic of 3 layers. The encoders are trained
    with the critic, whose error depends on what matters in a state; the actor does not train them.
    A hard action is the actor's, thresholded at ½ (the largest where none reaches it); its
    gradient is that of the soft one (straight through).

    Shapes: a state (n, S), an action (n, A) in [0, 1].
    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444; widths, sharing and the
    straight-through gradient are choices of this project.
    """

    def __init__(self, widths: tuple[int, int], actions: int, hidden: int, hard: bool) -> None:
        super().__init__()
        self.widths, self.hard = widths, hard
        self.encoders = nn.ModuleList(_mlp(width, hidden, ENCODED) for width in widths)
        self.actor = _mlp(2 * ENCODED, hidden, hidden, actions)
        self.critic = _mlp(2 * ENCODED + actions, hidden, hidden, 1)

    def encode(self, states: Tensor) -> Tensor:
        """Encode states. Shapes: (n, S) -> (n, 2 · ENCODED)."""
        halves = torch.split(states, list(self.widths), dim=-1)
        pairs = zip(self.encoders, halves, strict=True)
        return torch.cat([torch.tanh(encoder(half)) for encoder, half in pairs], dim=-1)

    def policy(self, encoded: Tensor, noise: Tensor | float = 0.0) -> Tensor:
        """Return the actor's action μ(s), with noise added before the sigmoid."""
        return self.squash(self.actor(encoded) + noise)

    def squash(self, logits: Tensor) -> Tensor:
        """Map the actor's logits to an action."""
        soft = torch.sigmoid(logits)
        if not self.hard:
            return soft
        return threshold(soft.detach()) + (soft - soft.detach())

    def value(self, encoded: Tensor, actions: Tensor) -> Tensor:
        """Return the critic's Q(s, a). Shapes: (n, 2 · ENCODED), (n, A) -> (n,)."""
        values: Tensor = self.critic(torch.cat([encoded, actions], dim=-1))
        return values.squeeze(-1)


class ReplayBuffer:
    """All transitions so far: state, action, gain, bonus, next state.

    Shapes: states, after (n, S); actions (n, A); phases, gains, bonuses, last (n,).
    """

    def __init__(self, width: int, actions: int, device: torch.device) -> None:
        sizes = {"states": (width,), "actions": (actions,), "after": (width,)}
        shapes = {name: (0, *sizes.get(name, ())) for name in (*sizes, *SCALARS)}
        self.columns = {name: torch.zeros(shape, device=device) for name, shape in shapes.items()}

    def __len__(self) -> int:
        return len(self.columns["gains"])

    def add(self, **values: Tensor | float) -> None:
        """Append one transition."""
        for name, column in self.columns.items():
            one = torch.as_tensor(values[name], dtype=column.dtype, device=column.device)
            self.columns[name] = torch.cat([column, one.reshape(1, *column.shape[1:])])

    def rewards(self) -> Tensor:
        """Return each transition's reward: normalised gain above its phase's mean, plus bonus.

        Losses fall fast in the first phases and hardly at all in the last, whatever the action:
        a baseline that depends on the phase alone removes this and changes no preference among
        actions. Division by the root mean square of the rest makes the critic's learning rate and
        the bonus mean the same for every task.
        """
        gains, phases = self.columns["gains"], self.columns["phases"].long()
        if not len(gains):
            return gains
        sums = torch.zeros(int(phases.max()) + 1, device=gains.device)
        counts = sums.index_add(0, phases, torch.ones_like(gains))
        means = sums.index_add(0, phases, gains) / counts.clamp_min(1)
        advantages = gains - means[phases]
        scale = advantages.square().mean().sqrt().clamp_min(1e-12)
        return advantages / scale + self.columns["bonuses"]


class Agent:
    """An actor and a critic, trained on replayed transitions (deterministic policy gradient).

    The critic minimises (r + γ · Q(s', μ(s')) − Q(s, a))², where an episode's last transition has
    no next value; the actor maximises Q(s, μ(s)). One set of notes on the source prints γ · r + Q,
    which is not the Bellman target.

    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444; Lillicrap et al., ICLR 2016,
    arXiv 1509.02971.
    """

    def __init__(
        self,
        networks: ActorCritic,
        buffer: ReplayBuffer,
        learning_rate: float,
        discount: float,
        caution: float,
    ) -> None:
        self.networks, self.buffer = networks, buffer
        self.discount, self.caution = discount, caution
        critic = [*networks.encoders.parameters(), *networks.critic.parameters()]
        self.optimisers = {
            "critic": Adam(critic, lr=learning_rate, fused=True),
            "actor": Adam(networks.actor.parameters(), lr=learning_rate, fused=True),
        }

    @torch.no_grad()
    def act(self, state: Tensor, noise: float = 0.0) -> Tensor:
        """Return the action in a state. Shapes: (S,) -> (A,)."""
        encoded = self.networks.encode(state.unsqueeze(0))
        size = (1, self.buffer.columns["actions"].shape[1])
        extra = noise * torch.randn(size).to(state.device) if noise else 0.0
        return self.networks.policy(encoded, extra).squeeze(0)

    def update(self, updates: int) -> None:
        """Update critic and actor in turn on samples from the buffer."""
        rewards = self.buffer.rewards()
        for _ in range(updates):
            sample = torch.randint(len(self.buffer), (min(BATCH_SIZE, len(self.buffer)),))
            sample = sample.to(rewards.device)
            batch = {name: column[sample] for name, column in self.buffer.columns.items()}
            self._minimise("critic", self.critic_loss(batch, rewards[sample]))
            self._minimise("actor", self.actor_loss(batch["states"]))

    def critic_loss(self, batch: Mapping[str, Tensor], rewards: Tensor) -> Tensor:
        """Return the critic's mean squared error against the Bellman target."""
        with torch.no_grad():
            encoded = self.networks.encode(batch["after"])
            next_value = self.networks.value(encoded, self.networks.policy(encoded))
            target = rewards + self.discount * (1 - batch["last"]) * next_value
        value = self.networks.value(self.networks.encode(batch["states"]), batch["actions"])
        return F.mse_loss(value, target)

    def actor_loss(self, states: Tensor) -> Tensor:
        """Return the actor's loss: −Q(s, μ(s)) plus a penalty on its squared logits."""
        encoded = self.networks.encode(states).detach()
        logits = self.networks.actor(encoded)
        value = self.networks.value(encoded, self.networks.squash(logits))
        loss: Tensor = self.caution * logits.square().mean() - value.mean()
        return loss

    def _minimise(self, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        optimiser.step()
        optimiser.zero_grad()

    def state_dict(self) -> dict[str, Tensor]:
        """Return weights, Adam's moments and the buffer, by name."""
        weights = {f"network/{name}": each for name, each in self.networks.state_dict().items()}
        buffer = {f"memory/{name}": each for name, each in self.buffer.columns.items()}
        moments = {
            f"{name}/{index}/{kind}": value
            for name, optimiser in self.optimisers.items()
            for index, moment in optimiser.state_dict()["state"].items()
            for kind, value in moment.items()
        }
        return weights | buffer | moments

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        network = _part(state, "network").items()  # "readers" in checkpoints of earlier releases
        self.networks.load_state_dict({k.replace("readers.", "encoders."): t for k, t in network})
        for name, column in _part(state, "memory").items():
            self.buffer.columns[name] = column.to(self.buffer.columns[name].device, copy=True)
        for name, optimiser in self.optimisers.items():
            _set_moments(optimiser, _part(state, name))


def threshold(soft: Tensor) -> Tensor:
    """Return 1 where a weight exceeds ½, else 0; where none does, 1 for the largest.

    Shapes: (…, A) -> (…, A).
    """
    largest = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
    chosen = (soft > 0.5).to(soft.dtype)
    return torch.where(chosen.any(-1, keepdim=True), chosen, largest)


def novelty(action: Tensor, earlier: Tensor, hard: bool) -> float:
    """Return an action's novelty among earlier ones: the exploration bonus before its weight.

    A soft action's is 1 − its mean cosine to the earlier ones, a hard one's 1 / √(times chosen,
    this one included); the first action's is 1.

    Shapes: action (A,), earlier (n, A).
    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444; mean and square root are
    choices of this project.
    """
    if not len(earlier):
        return 1.0
    if hard:
        return float((1 + (earlier == action).all(-1).sum()) ** -0.5)
    return float(1 - F.cosine_similarity(earlier, action.unsqueeze(0), dim=-1).mean())


def _mlp(*widths: int) -> nn.Sequential:
    """Return linear layers with ReLUs in between."""
    parts: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        parts += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def _part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)}


def _set_moments(optimiser: Adam, values: Mapping[str, Tensor]) -> None:
    own = optimiser.state_dict()
    own["state"] = {}
    for name, value in values.items():
        index, _, kind = name.partition("/")
        own["state"].setdefault(int(index), {})[kind] = value.clone()
    optimiser.load_state_dict(own)
