"""Knowledge selection: an actor–critic weighs four kinds of knowledge as the training goes on."""

import torch
from torch import Tensor, nn

from sparsekd.catalog.methods.knowledge_selection import KnowledgeSelectionParams
from sparsekd.errors import Incompatible
from sparsekd.methods.actor_critic import ActorCritic, Agent, ReplayBuffer, novelty
from sparsekd.methods.base import BatchOutputs, Method, Setup, StepResult, TrainingProgress
from sparsekd.methods.kinds import KINDS, Kinds

NOTED = 200  # steps of a course whose weights and losses are logged, at most
LEAST = 1e-8  # of a running mean: a loss that is 0 stays 0
FAINTEST = 1e-4  # of a soft weight: no kind vanishes altogether


class KnowledgeSelection(Method):
    """Fine-tuning, response, feature and relation losses, each times a weight in [0, 1].

    Each loss is divided by its running mean over the course before it is weighed. A selector
    sees the batch's mean last-layer [CLS] of student and teacher after each step and decides the
    weights of what follows, so that an example's loss does not depend on its company; a course's
    first step, which nothing precedes, weighs all kinds alike. In the episodes the decision
    holds for a phase, is paid by how much the held-out loss fell over the phase and by how new it
    was, and the selector learns; in the course that counts it is frozen and decides at every step.

    Open in the source and decided here, beside what `Kinds` and `ActorCritic` say: the running
    mean; one reward pass before an episode's first phase and one after each; the first episodes
    draw weights at random, and noise is added to the actor's in the others. The teacher's hidden
    states are all that is read of it, so a physically pruned one serves like any other.

    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444.
    """

    params: KnowledgeSelectionParams
    reads_layers = True

    def prepare(self, setup: Setup) -> None:
        """Match layers, build maps between widths and the selector.

        Raises:
            Incompatible: not one teacher, layers that cannot be matched, more phases than steps,
                or fewer examples to be paid by than a batch has.
        """
        if setup.teacher_count != 1:
            raise Incompatible(
                f"Knowledge selection learns from one teacher, not {setup.teacher_count}.",
                "Choose one teacher.",
            )
        self.knowledge = Kinds(setup, self.params.temperature, self.params.embeddings)
        layers = self.knowledge.layers
        self.student_needs = {"hidden": tuple(layers)}
        self.teacher_needs = {"hidden": tuple(layers.values())}
        self.device = setup.device
        if self.training_episodes:
            self.ends = _phase_ends(setup, self.params.phases)
            self.learner = self._learner(setup)
            self.start = torch.zeros(sum(_widths(setup)), device=self.device)
            self.before = torch.zeros((), dtype=torch.float64)
        self.kinds: tuple[str, ...] = KINDS
        self.on_train_start(0)

    def modules(self) -> dict[str, nn.Module]:
        """Linear maps from the student's width to the teacher's, where they differ."""
        maps = self.knowledge.maps
        return {"maps": maps} if len(maps) else {}

    def on_train_start(self, course: int) -> None:
        """A fresh student's losses start afresh, and no kind is preferred yet."""
        self.means = torch.zeros(len(KINDS), device=self.device)
        self.counts = torch.zeros_like(self.means)
        equal = 1.0 if self.params.action == "hard" else 0.5
        self.take(torch.full((len(KINDS),), equal, device=self.device))

    def take(self, action: Tensor) -> None:
        """Hold an action from now on; a kind that a hard one leaves out is not computed."""
        if self.params.action == "soft":
            self.action, self.kinds = action.clamp_min(FAINTEST), KINDS
            return
        chosen = zip(KINDS, action.tolist(), strict=True)
        self.action, self.kinds = action, tuple(kind for kind, on in chosen if on)

    # --- losses ------------------------------------------------------------------------------

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """The chosen kinds' losses, divided by their running means, times their weights."""
        factors = (self.action / self.scales()).unbind()
        named = dict(zip(KINDS, factors, strict=True))
        losses = self.knowledge.losses(outputs, self.kinds)
        return {kind: named[kind] * raw for kind, raw in losses.items()}

    def scales(self) -> Tensor:
        """What each kind is divided by: its running mean, 1 until it has been outputs.

        Shapes: -> (kinds,).
        """
        return torch.where(self.counts > 0, self.means.clamp_min(LEAST), 1.0)

    # --- what a step leads to ----------------------------------------------------------------

    def on_step_end(self, result: StepResult) -> None:
        """Keep the running means; decide what the next step weighs."""
        self.measure(result)
        step, course = result.progress.step, result.progress.episode
        if self.params.choose == "random":
            self.take(self.random())
        elif self.params.choose == "actor" and course == self.training_episodes:
            self.take(self.learner.act(summary(result.outputs)))
        elif self.params.choose == "actor" and step in self.ends:
            self.turn(result)

    def measure(self, result: StepResult) -> None:
        """Follow each kind's loss: the mean of what came before, then a moving average."""
        places = [KINDS.index(kind) for kind in result.terms]
        weighed = torch.stack([term.float().mean() for term in result.terms.values()])
        scaled = weighed / self.action[places]
        raw = scaled * self.scales()[places]
        self.tell(result.progress, list(result.terms), raw, scaled)
        self.counts[places] += 1
        share = (1 / self.counts[places]).clamp_min(1 - self.params.decay)
        self.means[places] += share * (raw - self.means[places])

    def tell(
        self, progress: TrainingProgress, kinds: list[str], raw: Tensor, scaled: Tensor
    ) -> None:
        """Log weights and losses at some steps of the course."""
        if progress.step % -(-progress.steps // NOTED):
            return
        values = dict(zip((f"weight/{kind}" for kind in KINDS), self.action.tolist(), strict=True))
        for name, losses in (("raw", raw), ("scaled", scaled)):
            told = zip(kinds, losses.tolist(), strict=True)
            values |= {f"{name}/{kind}": value for kind, value in told}
        self.log(progress, values)

    def turn(self, result: StepResult) -> None:
        """A phase ends: pay for its action, learn from it, and choose the next phase's."""
        state, loss = summary(result.outputs), result.evaluate()["loss"]
        over = result.progress.step == result.progress.steps - 1
        if result.progress.step:
            self.pay(result.progress, float(self.before) - loss, state, over)
            self.learner.learn(self.params.updates)
        self.start, self.before = state, torch.tensor(loss, dtype=torch.float64)
        if over:
            return
        exploring = result.progress.episode < self.params.explorations
        chosen = self.random() if exploring else self.learner.act(state, self.params.noise)
        self.take(chosen)

    def pay(self, progress: TrainingProgress, gain: float, state: Tensor, over: bool) -> None:
        """Remember what the phase's action gained; the total is in units of the gains so far."""
        memory, hard = self.learner.memory, self.params.action == "hard"
        bonus = self.params.bonus * novelty(self.action, memory.of["actions"], hard)
        memory.add(
            states=self.start, actions=self.action, phases=self.ends.index(progress.step) - 1,
            gains=gain, bonuses=bonus, after=state, last=float(over),
        )  # fmt: skip
        total = float(memory.rewards()[-1])
        self.log(progress, {"reward/gain": gain, "reward/bonus": bonus, "reward/total": total})

    def random(self) -> Tensor:
        """Any soft weights, or any choice of one kind and more, all equally likely.

        Shapes: -> (kinds,).
        """
        if self.params.action == "soft":
            return torch.rand(len(KINDS)).to(self.device)
        number = int(torch.randint(1, 2 ** len(KINDS), ()))
        return torch.tensor([float(number >> place & 1) for place in range(len(KINDS))]).to(
            self.device
        )

    # --- interruptions -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """The action held, the running means, and all of the selector."""
        own = {"action": self.action, "means": self.means, "counts": self.counts}
        if not self.training_episodes:
            return own
        own |= {"start": self.start, "before": self.before}
        return own | {f"learner/{name}": each for name, each in self.learner.state_dict().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        own = {name: each.clone() for name, each in state.items() if "/" not in name}
        self.means, self.counts = (own[name].to(self.device) for name in ("means", "counts"))
        self.take(own["action"].to(self.device))
        if not self.training_episodes:
            return
        self.start, self.before = own["start"].to(self.device), own["before"]
        start = "learner/"
        learner = {key.removeprefix(start): t for key, t in state.items() if key.startswith(start)}
        self.learner.load_state_dict(learner)

    def _learner(self, setup: Setup) -> Agent:
        params, widths = self.params, _widths(setup)
        networks = ActorCritic(widths, len(KINDS), params.width, hard=params.action == "hard")
        memory = ReplayBuffer(sum(widths), len(KINDS), self.device)
        return Agent(
            networks.to(self.device), memory,
            params.selector_rate, params.discount, params.caution,
        )  # fmt: skip


def summary(outputs: BatchOutputs) -> Tensor:
    """The selector's state: the batch's mean last-layer [CLS] of the student and of the teacher.

    Shapes: -> (S,), S both widths together.
    """
    views = (outputs.student.hidden, outputs.teachers[0].hidden)
    return torch.cat([view[max(view)][:, 0].detach().float().mean(0) for view in views])


def _widths(setup: Setup) -> tuple[int, int]:
    """Hidden sizes of the student and of the teacher."""
    return int(setup.student.config.hidden_size), int(setup.teachers[0].config.hidden_size)


def _phase_ends(setup: Setup, phases: int) -> tuple[int, ...]:
    """The steps after which a pass over the selection split is paid for: the first, and each
    phase's last; the phases share out the other steps evenly."""
    after_first = setup.steps - 1
    if phases > after_first:
        raise Incompatible(
            f"{phases} phases do not fit into a course of {setup.steps} steps, whose first step "
            "precedes all phases.",
            f"Choose at most {after_first} phases, or train longer."
            if after_first
            else "Train longer.",
        )
    if setup.selection_rows < setup.batch_size:
        raise Incompatible(
            f"The selection split has {setup.selection_rows} examples, a batch "
            f"{setup.batch_size}: too few to tell what a step is worth.",
            "Lower batch_size, or use a task with more training examples.",
        )
    return tuple(phase * after_first // phases for phase in range(phases + 1))
