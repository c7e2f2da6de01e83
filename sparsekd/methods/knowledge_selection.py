"""Knowledge selection: an actor–critic weights four kinds of knowledge during training."""

import torch
from torch import Tensor, nn

from sparsekd.catalog.methods.knowledge_selection import KnowledgeSelectionParams
from sparsekd.errors import Incompatible
from sparsekd.methods.actor_critic import ActorCritic, Agent, ReplayBuffer, novelty
from sparsekd.methods.base import (
    BatchOutputs,
    Method,
    Setup,
    StepResult,
    TrainingProgress,
    require_one_teacher,
)
from sparsekd.methods.knowledge_kinds import KINDS, KnowledgeLosses

STEP_LOGS = 200  # steps of a training whose weights and losses are logged, at most
MIN_MEAN = 1e-8  # of a running mean, so that a loss of 0 stays 0
MIN_WEIGHT = 1e-4  # of a soft action, so that no kind vanishes


class KnowledgeSelection(Method):
    """Fine-tuning, response, feature and relation losses, each times a weight in [0, 1].

    Each loss is divided by its running mean over the training before it is weighted. A selector
    observes the batch's mean last-layer [CLS] of student and teacher after each step and sets the
    weights of the next, so that an example's loss does not depend on the rest of its batch; a
    training's first step has equal weights. In the training episodes an action is fixed during a
    phase, its reward is the decrease of the held-out loss over the phase plus a novelty bonus, and
    the selector is updated; in the final training it is frozen and acts at every step.

    Choices of this project, where the source is open, beside those of `KnowledgeLosses` and
    `ActorCritic`: the running mean; one reward pass before an episode's first phase and one after
    each; random weights in the first episodes, noise on the actor's output in the others. Only
    the teacher's hidden states are read, so a physically pruned teacher works like any other.

    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444.
    """

    params: KnowledgeSelectionParams
    reads_layers = True

    def prepare(self, setup: Setup) -> None:
        """Match layers; build the maps between widths and the selector.

        Raises:
            Incompatible: not one teacher, layers that cannot be matched, more phases than steps,
                or fewer examples for a reward than a batch has.
        """
        require_one_teacher("Knowledge selection", setup)
        self.knowledge = KnowledgeLosses(setup, self.params.temperature, self.params.embeddings)
        layers = self.knowledge.layers
        self.student_needs = {"hidden": tuple(layers)}
        self.teacher_needs = {"hidden": tuple(layers.values())}
        self.device = setup.device
        if self.training_episodes:
            self.phase_ends = _phase_ends(setup, self.params.phases)
            self.agent = self._agent(setup)
            self.phase_state = torch.zeros(sum(_widths(setup)), device=self.device)
            self.phase_loss = torch.zeros((), dtype=torch.float64)
        self.kinds: tuple[str, ...] = KINDS
        self.on_train_start(0)

    def modules(self) -> dict[str, nn.Module]:
        """Return linear maps from the student's width to the teacher's, where they differ."""
        maps = self.knowledge.maps
        return {"maps": maps} if len(maps) else {}

    def on_train_start(self, episode: int) -> None:
        """Reset the running means and set equal weights."""
        self.means = torch.zeros(len(KINDS), device=self.device)
        self.counts = torch.zeros_like(self.means)
        equal = 1.0 if self.params.action == "hard" else 0.5
        self.set_action(torch.full((len(KINDS),), equal, device=self.device))

    def set_action(self, action: Tensor) -> None:
        """Set the weights of the next step; kinds that a hard action drops are not computed."""
        if self.params.action == "soft":
            self.action, self.kinds = action.clamp_min(MIN_WEIGHT), KINDS
            return
        pairs = zip(KINDS, action.tolist(), strict=True)
        self.action, self.kinds = action, tuple(kind for kind, on in pairs if on)

    # --- losses ------------------------------------------------------------------------------

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return the losses of the active kinds, divided by their running means, times weights."""
        factors = (self.action / self.scales()).unbind()
        by_kind = dict(zip(KINDS, factors, strict=True))
        losses = self.knowledge.losses(outputs, self.kinds)
        return {kind: by_kind[kind] * raw for kind, raw in losses.items()}

    def scales(self) -> Tensor:
        """Return each kind's divisor: its running mean, 1 before the first value.

        Shapes: -> (kinds,).
        """
        return torch.where(self.counts > 0, self.means.clamp_min(MIN_MEAN), 1.0)

    # --- after a step ------------------------------------------------------------------------

    def on_step_end(self, result: StepResult) -> None:
        """Update the running means; set the weights of the next step."""
        self.update_means(result)
        step, episode = result.progress.step, result.progress.episode
        if self.params.choose == "random":
            self.set_action(self.random_action())
        elif self.params.choose == "actor" and episode == self.training_episodes:
            self.set_action(self.agent.act(state_of(result.outputs)))
        elif self.params.choose == "actor" and step in self.phase_ends:
            self.end_phase(result)

    def update_means(self, result: StepResult) -> None:
        """Update each kind's running mean: a plain mean at first, then a moving average."""
        if not result.terms:  # fine-tuning alone, on a batch without gold labels
            return
        indices = [KINDS.index(kind) for kind in result.terms]
        weighted = torch.stack([term.float().mean() for term in result.terms.values()])
        scaled = weighted / self.action[indices]
        raw = scaled * self.scales()[indices]
        self.log_losses(result.progress, list(result.terms), raw, scaled)
        self.counts[indices] += 1
        share = (1 / self.counts[indices]).clamp_min(1 - self.params.decay)
        self.means[indices] += share * (raw - self.means[indices])

    def log_losses(
        self, progress: TrainingProgress, kinds: list[str], raw: Tensor, scaled: Tensor
    ) -> None:
        """Log weights and losses at regular steps of a training."""
        if progress.step % -(-progress.steps // STEP_LOGS):
            return
        values = dict(zip((f"weight/{kind}" for kind in KINDS), self.action.tolist(), strict=True))
        for name, losses in (("raw", raw), ("scaled", scaled)):
            pairs = zip(kinds, losses.tolist(), strict=True)
            values |= {f"{name}/{kind}": value for kind, value in pairs}
        self.log(progress, values)

    def end_phase(self, result: StepResult) -> None:
        """Store the phase's transition, update the agent, and set the next phase's action."""
        state, loss = state_of(result.outputs), result.evaluate()["loss"]
        last = result.progress.step == result.progress.steps - 1
        if result.progress.step:
            self.store(result.progress, float(self.phase_loss) - loss, state, last)
            self.agent.update(self.params.updates)
        self.phase_state, self.phase_loss = state, torch.tensor(loss, dtype=torch.float64)
        if last:
            return
        random = result.progress.episode < self.params.explorations
        self.set_action(
            self.random_action() if random else self.agent.act(state, self.params.noise)
        )

    def store(self, progress: TrainingProgress, gain: float, state: Tensor, last: bool) -> None:
        """Add a phase's transition to the replay buffer and log its reward."""
        buffer, hard = self.agent.buffer, self.params.action == "hard"
        bonus = self.params.bonus * novelty(self.action, buffer.columns["actions"], hard)
        buffer.add(
            states=self.phase_state,
            actions=self.action,
            phases=self.phase_ends.index(progress.step) - 1,
            gains=gain,
            bonuses=bonus,
            after=state,
            last=float(last),
        )
        total = float(buffer.rewards()[-1])
        self.log(progress, {"reward/gain": gain, "reward/bonus": bonus, "reward/total": total})

    def random_action(self) -> Tensor:
        """Draw uniform soft weights, or a uniform non-empty subset of the kinds.

        Shapes: -> (kinds,).
        """
        if self.params.action == "soft":
            return torch.rand(len(KINDS)).to(self.device)
        number = int(torch.randint(1, 2 ** len(KINDS), ()))
        bits = [float(number >> index & 1) for index in range(len(KINDS))]
        return torch.tensor(bits).to(self.device)

    # --- checkpoints -------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Return the action, the running means, and the agent's state."""
        own = {"action": self.action, "means": self.means, "counts": self.counts}
        if not self.training_episodes:
            return own
        own |= {"start": self.phase_state, "before": self.phase_loss}
        return own | {f"learner/{name}": each for name, each in self.agent.state_dict().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        own = {name: each.clone() for name, each in state.items() if "/" not in name}
        self.means, self.counts = (own[name].to(self.device) for name in ("means", "counts"))
        self.set_action(own["action"].to(self.device))
        if not self.training_episodes:
            return
        self.phase_state, self.phase_loss = own["start"].to(self.device), own["before"]
        prefix = "learner/"
        agent = {key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)}
        self.agent.load_state_dict(agent)

    def _agent(self, setup: Setup) -> Agent:
        params, widths = self.params, _widths(setup)
        networks = ActorCritic(widths, len(KINDS), params.width, hard=params.action == "hard")
        buffer = ReplayBuffer(sum(widths), len(KINDS), self.device)
        return Agent(
            networks.to(self.device), buffer, params.selector_rate, params.discount, params.caution
        )


def state_of(outputs: BatchOutputs) -> Tensor:
    """Return the selector's state: the batch's mean last-layer [CLS] of student and teacher.

    Shapes: -> (S,), S both widths together.
    """
    hidden = (outputs.student.hidden, outputs.teachers[0].hidden)
    return torch.cat([states[max(states)][:, 0].detach().float().mean(0) for states in hidden])


def _widths(setup: Setup) -> tuple[int, int]:
    """Return the hidden sizes of the student and of the teacher."""
    return int(setup.student.config.hidden_size), int(setup.teachers[0].config.hidden_size)


def _phase_ends(setup: Setup, phases: int) -> tuple[int, ...]:
    """Return the steps followed by a reward pass: the first, and the last of each phase.

    The phases divide the steps after the first evenly.
    """
    after_first = setup.steps - 1
    if phases > after_first:
        raise Incompatible(
            f"{phases} phases do not fit into a training of {setup.steps} steps, whose first step "
            "precedes all phases.",
            f"Choose at most {after_first} phases, or train longer."
            if after_first
            else "Train longer.",
        )
    if setup.selection_rows < setup.batch_size:
        raise Incompatible(
            f"The selection split has {setup.selection_rows} examples, a batch "
            f"{setup.batch_size}: too few for a reward.",
            "Lower batch_size, or use a task with more training examples.",
        )
    return tuple(phase * after_first // phases for phase in range(phases + 1))
