"""A lesson repeated: epochs, the verdict after each, early stopping, snapshots."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sparsekd.checkpoint import Snapshot
from sparsekd.data import Encoded, bucketed
from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.evaluation import Report, evaluate, ignore
from sparsekd.methods.base import Progress, Seen, Signal
from sparsekd.tasks import TaskCard
from sparsekd.training.clock import Clock
from sparsekd.training.lesson import Lesson
from sparsekd.training.optimisation import moments, set_moments, step_size


@dataclass(frozen=True)
class Trained:
    """How a training went; the model itself now holds the weights of `best_epoch` (from 0).

    `metrics` are those of the selection split at that epoch; `history` has one entry per epoch
    {epoch, step, losses, metrics, best}.
    """

    metrics: dict[str, float]
    best_epoch: int
    steps: int
    seconds: float
    history: list[dict[str, Any]]


@dataclass
class Standing:
    """Where a training stands, beyond the weights: plain values that go into a snapshot."""

    step: int = 0
    seconds: float = 0.0
    best: dict[str, float] = field(default_factory=dict)
    best_epoch: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def stale(self) -> int:
        """Epochs since the best one."""
        return len(self.history) - 1 - self.best_epoch


class Course:
    """A lesson repeated over epochs, judged on the selection split after each."""

    def __init__(
        self,
        lesson: Lesson,
        selection: Encoded,
        card: TaskCard,
        report: Report = ignore,
        save: Callable[[Snapshot], None] = lambda snapshot: None,
        save_every: float = 60.0,
    ) -> None:
        self.lesson, self.selection, self.card = lesson, selection, card
        self.report, self.save, self.save_every = report, save, save_every
        self.now = Standing()
        self.sums: dict[str, Tensor] = {}
        self.best_weights: dict[str, Tensor] = {}
        self.per_epoch = -(-len(lesson.data) // lesson.params.batch_size)
        self.steps = self.per_epoch * lesson.params.epochs
        self.batches: list[NDArray[np.int64]] = []
        self.clock = Clock()

    def run(self, stop: Callable[[], bool]) -> None:
        """Step by step to the end, or until `stop`."""
        self.lesson.model.train()
        while self.now.step < self.steps and self.now.stale < self.lesson.params.patience:
            if stop():
                self.keep()
                raise Cancelled(
                    f"Stopped after step {self.now.step} of {self.steps}.",
                    "Resume the run to go on from there.",
                )
            self.advance()

    def advance(self) -> None:
        """One step, and what is due after it: a verdict, a report, a snapshot."""
        start = time.monotonic()
        self.step()
        ended = self.now.step % self.per_epoch == 0
        if ended:
            self.judge()
        self.now.seconds += time.monotonic() - start
        if ended or self.clock.report_due():
            self.tell(ended)
        if self.clock.save_due(self.save_every, ended):
            self.keep()

    def step(self) -> None:
        """Learn from the next batch and let the method hear of it."""
        epoch, place = divmod(self.now.step, self.per_epoch)
        if place == 0 or not self.batches:
            self.batches = self.order(epoch)
        progress = Progress(self.now.step, self.steps, epoch)
        seen, terms = self.lesson.step(self.batches[place], progress)
        self.lesson.method.feedback(Signal(seen, terms, progress, self.held_out))
        self.count(seen, terms)
        self.now.step += 1

    def order(self, epoch: int) -> list[NDArray[np.int64]]:
        """The batches of one epoch, a function of the seed and the epoch alone."""
        rng = np.random.default_rng([self.lesson.seed, epoch])
        return bucketed(self.lesson.data.lengths, self.lesson.params.batch_size, rng)

    def count(self, seen: Seen, terms: dict[str, Tensor]) -> None:
        """Add up the terms where they are: reading them at every step would wait for the GPU."""
        self.clock.count(len(seen.rows))
        for name, term in terms.items():
            total = term.double() if term.device.type == "cpu" else term.float()
            self.sums[name] = self.sums.get(name, 0) + total.sum()
            self.now.seen[name] = self.now.seen.get(name, 0) + len(seen.rows)

    def losses(self) -> dict[str, float]:
        """Each term's mean over the examples of this epoch so far.

        Raises:
            BadInput: one is no number.
        """
        means = {name: total.item() / self.now.seen[name] for name, total in self.sums.items()}
        for name, mean in means.items():
            if not math.isfinite(mean):
                rate = self.lesson.params.learning_rate
                raise BadInput(
                    f"The loss term {name!r} became {mean} before step {self.now.step}.",
                    f"The training diverged: lower learning_rate (now {rate:g}).",
                )
        return means

    def held_out(self) -> dict[str, float]:
        """Metrics and mean loss of the student as it is, on the selection split."""
        return evaluate(self.lesson.model, self.selection, self.card, self.lesson.device)[0]

    def judge(self) -> None:
        """End an epoch: evaluate, remember the weights if they are the best so far."""
        losses, start = self.losses(), time.monotonic()
        metrics = self.held_out()
        self.clock.evaluated(start)
        epoch = len(self.now.history)
        best = not self.now.best or self.rank(metrics) > self.rank(self.now.best)
        if best:
            self.now.best, self.now.best_epoch = metrics, epoch
            weights = self.lesson.model.state_dict()
            self.best_weights = {name: each.detach().clone() for name, each in weights.items()}
        entry = {"epoch": epoch, "step": self.now.step, "losses": losses, "metrics": metrics}
        self.now.history.append(entry | {"best": best})
        self.sums, self.now.seen = {}, {}

    def rank(self, metrics: dict[str, float]) -> tuple[float, float]:
        """What is better comes later: the first metric, then the lower loss."""
        return metrics[self.card.metrics[0]], -metrics["loss"]

    def tell(self, ended: bool) -> None:
        """Report progress, and at the end of an epoch its verdict."""
        params, step = self.lesson.params, self.now.step
        event = {
            "kind": "epoch" if ended else "step",
            "step": step,
            "steps": self.steps,
            "epoch": (step - 1) // self.per_epoch,
            "epochs": params.epochs,
            "learning_rate": step_size(step - 1, self.steps, params),
            **self.clock.pace(self.steps - step),
        }
        verdict = self.now.history[-1] if ended else {"losses": self.losses()}
        self.report(event | verdict)

    def keep(self) -> None:
        """Hand out a snapshot, unless it would keep a training that has already diverged."""
        self.losses()
        start = time.monotonic()
        self.save(self.snapshot())
        self.clock.saved(start)

    def snapshot(self) -> Snapshot:
        """Everything the rest of the run depends on."""
        lesson = self.lesson
        parts: dict[str, dict[str, Tensor]] = {
            "model": lesson.model.state_dict(),
            "best": self.best_weights,
            "optimiser": moments(lesson.optimiser),
            "sums": self.sums,
            "method": lesson.method.state(),
        }
        parts |= {f"extra/{name}": each.state_dict() for name, each in lesson.extra.items()}
        tensors = {
            f"{part}/{name}": tensor
            for part, content in parts.items()
            for name, tensor in content.items()
        }
        return Snapshot(tensors, asdict(self.now) | {"steps": self.steps, "seed": lesson.seed})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the same run.

        Raises:
            Incompatible: it belongs to another run.
        """
        facts, lesson = deepcopy(snapshot.facts), self.lesson
        planned, seed = facts.pop("steps"), facts.pop("seed")
        if (planned, seed) != (self.steps, lesson.seed):
            raise Incompatible(
                f"The checkpoint plans {planned} steps with seed {seed}, this run {self.steps} "
                f"with seed {lesson.seed}.",
                "Delete the checkpoint to start from the beginning.",
            )
        self.now = Standing(**facts)
        lesson.model.load_state_dict(snapshot.part("model"))
        for name, module in lesson.extra.items():
            module.load_state_dict(snapshot.part(f"extra/{name}"))
        set_moments(lesson.optimiser, snapshot.part("optimiser"))
        lesson.method.restore(snapshot.part("method"))
        self.best_weights = self.placed(snapshot.part("best"))
        self.sums = self.placed(snapshot.part("sums"))
        self.batches = self.order(self.now.step // self.per_epoch)

    def placed(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors on this lesson's device."""
        return {name: tensor.to(self.lesson.device) for name, tensor in tensors.items()}

    def result(self) -> Trained:
        """Give the model its best weights and say how it went."""
        self.lesson.model.load_state_dict(self.best_weights)
        self.lesson.model.eval()
        now = self.now
        return Trained(now.best, now.best_epoch, now.step, now.seconds, now.history)
