"""An actor and a critic that choose an action from what student and teacher make of a batch."""

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

BATCH = 32  # remembered decisions per update
READ = 8  # numbers that are read off each model's [CLS]
RECORDED = ("phases", "gains", "bonuses", "last")


class ActorCritic(nn.Module):
    """Networks over the mean [CLS] of the student and of the teacher, S = both widths together.

    One 2-layer network reads each of the two; actor and critic are 3-layer networks upon both.
    The reading networks learn with the critic, whose error says what of the state matters, and
    the actor takes them as they are. A hard action is the actor's, thresholded at ½ (the largest
    where none reaches it); its gradient is that of the soft one (straight through).

    Shapes: a state (n, S), an action (n, A) in [0, 1].
    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444; widths, sharing and the
    straight-through gradient are choices of this project.
    """

    def __init__(self, widths: tuple[int, int], actions: int, hidden: int, hard: bool) -> None:
        super().__init__()
        self.widths, self.hard = widths, hard
        self.readers = nn.ModuleList(_network(width, hidden, READ) for width in widths)
        self.actor = _network(2 * READ, hidden, hidden, actions)
        self.critic = _network(2 * READ + actions, hidden, hidden, 1)

    def read(self, states: Tensor) -> Tensor:
        """What the states say. Shapes: (n, S) -> (n, 2 · READ)."""
        halves = torch.split(states, list(self.widths), dim=-1)
        pairs = zip(self.readers, halves, strict=True)
        return torch.cat([torch.tanh(reader(half)) for reader, half in pairs], dim=-1)

    def decide(self, read: Tensor, noise: Tensor | float = 0.0) -> Tensor:
        """The actor's action μ(s), with noise added before the sigmoid."""
        return self.action(self.actor(read) + noise)

    def action(self, leaning: Tensor) -> Tensor:
        """The action of what the actor puts out."""
        soft = torch.sigmoid(leaning)
        if not self.hard:
            return soft
        return thresholded(soft.detach()) + (soft - soft.detach())

    def value(self, read: Tensor, actions: Tensor) -> Tensor:
        """The critic's Q(s, a). Shapes: (n, 2 · READ), (n, A) -> (n,)."""
        found: Tensor = self.critic(torch.cat([read, actions], dim=-1))
        return found.squeeze(-1)


class ReplayBuffer:
    """Every decision so far: state, action, what it gained, its bonus, the state it led to.

    Shapes: states, after (n, S); actions (n, A); phases, gains, bonuses, last (n,).
    """

    def __init__(self, width: int, actions: int, device: torch.device) -> None:
        sizes = {"states": (width,), "actions": (actions,), "after": (width,)}
        shapes = {name: (0, *sizes.get(name, ())) for name in (*sizes, *RECORDED)}
        self.of = {name: torch.zeros(shape, device=device) for name, shape in shapes.items()}

    def __len__(self) -> int:
        return len(self.of["gains"])

    def add(self, **values: Tensor | float) -> None:
        """Append one decision."""
        for name, kept in self.of.items():
            one = torch.as_tensor(values[name], dtype=kept.dtype, device=kept.device)
            self.of[name] = torch.cat([kept, one.reshape(1, *kept.shape[1:])])

    def rewards(self) -> Tensor:
        """What each decision is paid: its gain against its phase's mean, in units, plus its bonus.

        Losses fall fast in the first phases and hardly at all in the last, whatever the action:
        a baseline that depends on the phase alone takes this out and changes no preference among
        actions. The unit, the root mean square of what is left, makes the critic's step size and
        the bonus mean the same for every task.
        """
        gains, phases = self.of["gains"], self.of["phases"].long()
        if not len(gains):
            return gains
        sums = torch.zeros(int(phases.max()) + 1, device=gains.device)
        counts = sums.index_add(0, phases, torch.ones_like(gains))
        means = sums.index_add(0, phases, gains) / counts.clamp_min(1)
        left = gains - means[phases]
        return left / left.square().mean().sqrt().clamp_min(1e-12) + self.of["bonuses"]


class Agent:
    """Trains an actor and a critic from remembered decisions (deterministic policy gradient).

    The critic minimises (r + γ · Q(s', μ(s')) − Q(s, a))², where an episode's last decision has
    no future; the actor ascends Q(s, μ(s)). One set of notes on the source prints γ · r + Q,
    which is not the Bellman target.

    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444; Lillicrap et al., ICLR 2016,
    arXiv 1509.02971.
    """

    def __init__(
        self,
        networks: ActorCritic,
        memory: ReplayBuffer,
        rate: float,
        discount: float,
        caution: float,
    ) -> None:
        self.networks, self.memory = networks, memory
        self.discount, self.caution = discount, caution
        critics = [*networks.readers.parameters(), *networks.critic.parameters()]
        self.optimisers = {
            "critic": Adam(critics, lr=rate, fused=True),
            "actor": Adam(networks.actor.parameters(), lr=rate, fused=True),
        }

    @torch.no_grad()
    def act(self, state: Tensor, noise: float = 0.0) -> Tensor:
        """The action in a state. Shapes: (S,) -> (A,)."""
        read = self.networks.read(state.unsqueeze(0))
        size = (1, self.memory.of["actions"].shape[1])
        extra = noise * torch.randn(size).to(state.device) if noise else 0.0
        return self.networks.decide(read, extra).squeeze(0)

    def learn(self, updates: int) -> None:
        """Improve critic and actor on draws from the memory, in turn."""
        rewards = self.memory.rewards()
        for _ in range(updates):
            drawn = torch.randint(len(self.memory), (min(BATCH, len(self.memory)),))
            drawn = drawn.to(rewards.device)
            some = {name: kept[drawn] for name, kept in self.memory.of.items()}
            self._descend("critic", self.error(some, rewards[drawn]))
            self._descend("actor", self.regret(some["states"]))

    def error(self, some: Mapping[str, Tensor], rewards: Tensor) -> Tensor:
        """The critic's mean squared error against the Bellman target."""
        with torch.no_grad():
            read = self.networks.read(some["after"])
            ahead = self.networks.value(read, self.networks.decide(read))
            target = rewards + self.discount * (1 - some["last"]) * ahead
        value = self.networks.value(self.networks.read(some["states"]), some["actions"])
        return F.mse_loss(value, target)

    def regret(self, states: Tensor) -> Tensor:
        """What the actor descends: −Q(s, μ(s)), and what holds its leanings near 0."""
        read = self.networks.read(states).detach()
        leaning = self.networks.actor(read)
        value = self.networks.value(read, self.networks.action(leaning))
        regret: Tensor = self.caution * leaning.square().mean() - value.mean()
        return regret

    def _descend(self, who: str, loss: Tensor) -> None:
        optimiser = self.optimisers[who]
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        optimiser.step()
        optimiser.zero_grad()

    def state_dict(self) -> dict[str, Tensor]:
        """Weights, Adam's moments and the memory, by name."""
        weights = {f"network/{name}": each for name, each in self.networks.state_dict().items()}
        memory = {f"memory/{name}": each for name, each in self.memory.of.items()}
        moments = {
            f"{who}/{place}/{kind}": value
            for who, optimiser in self.optimisers.items()
            for place, moment in optimiser.state_dict()["state"].items()
            for kind, value in moment.items()
        }
        return weights | memory | moments

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        parts: dict[str, dict[str, Tensor]] = {
            "network": {},
            "memory": {},
            "actor": {},
            "critic": {},
        }
        for name, value in state.items():
            part, _, rest = name.partition("/")
            if part in parts:
                parts[part][rest] = value
        self.networks.load_state_dict(parts["network"])
        for name, kept in parts["memory"].items():
            self.memory.of[name] = kept.to(self.memory.of[name].device, copy=True)
        for who, optimiser in self.optimisers.items():
            _set_moments(optimiser, parts[who])


def thresholded(soft: Tensor) -> Tensor:
    """1 where a weight exceeds ½, else 0; where none does, 1 for the largest.

    Shapes: (…, A) -> (…, A).
    """
    largest = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
    chosen = (soft > 0.5).to(soft.dtype)
    return torch.where(chosen.any(-1, keepdim=True), chosen, largest)


def novelty(action: Tensor, earlier: Tensor, hard: bool) -> float:
    """How new an action is among earlier ones: the exploration bonus before its weight.

    A soft one's is 1 − its mean cosine to the earlier ones, a hard one's 1 / √(times chosen,
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


def _network(*widths: int) -> nn.Sequential:
    """Linear layers with a ReLU between each two."""
    parts: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        parts += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def _set_moments(optimiser: Adam, values: Mapping[str, Tensor]) -> None:
    held = optimiser.state_dict()
    held["state"] = {}
    for name, value in values.items():
        place, _, kind = name.partition("/")
        held["state"].setdefault(int(place), {})[kind] = value.clone()
    optimiser.load_state_dict(held)
