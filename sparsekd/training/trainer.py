"""A lesson repeated: epochs, the verdict after each, early stopping, checkpoints."""

import math
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sparsekd.data import Encoded
from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.knowledge.evaluation import OnProgress, evaluate, no_progress
from sparsekd.methods.base import BatchOutputs, StepResult, TrainingProgress
from sparsekd.tasks import TaskCard
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.clock import Clock
from sparsekd.training.optimisation import moments, set_moments, step_size
from sparsekd.training.step import Lesson

PROBE = 128  # training examples that a method is asked to tell about


@dataclass(frozen=True)
class Trained:
    """How a training went; the model itself now holds the weights of `best_epoch` (from 0).

    `metrics` are those of the selection split at that epoch; `history` has one entry per epoch
    {epoch, step, losses, metrics, best}. `steps` counts the student's own optimiser steps,
    `episode_steps` those of the students before it, `held_out_passes` what the method asked of
    the selection split. `findings` are the rows of `Method.inspect_examples`, each with its `when`.
    """

    metrics: dict[str, float]
    best_epoch: int
    steps: int
    seconds: float
    history: list[dict[str, Any]]
    episode_steps: int = 0
    held_out_passes: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Standing:
    """Where a training stands, beyond the weights: plain values that go into a checkpoint."""

    step: int = 0
    seconds: float = 0.0
    best: dict[str, float] = field(default_factory=dict)
    best_epoch: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    passes: int = 0

    @property
    def stale(self) -> int:
        """Epochs since the best one, once there is one."""
        return len(self.history) - 1 - self.best_epoch if self.best else 0


class Course:
    """A lesson repeated over epochs, judged on the selection split after each.

    Where the method needs training episodes, the same course is gone through before, each time with
    the first weights and a fresh optimiser, and nothing is judged.
    """

    def __init__(
        self,
        lesson: Lesson,
        selection: Encoded,
        card: TaskCard,
        report: OnProgress = no_progress,
        save: Callable[[Checkpoint], None] = lambda checkpoint: None,
        save_every: float = 60.0,
    ) -> None:
        self.lesson, self.selection, self.card = lesson, selection, card
        self.report, self.save, self.save_every = report, save, save_every
        self.now = Standing()
        self.sums: dict[str, Tensor] = {}
        self.best_weights: dict[str, Tensor] = {}
        self.per_epoch = lesson.per_epoch
        self.length = self.per_epoch * lesson.params.epochs
        self.episodes = lesson.method.training_episodes
        self.steps = self.length * (self.episodes + 1)
        weights = self.weights() if self.episodes else {}
        self.first = {name: tensor.detach().clone() for name, tensor in weights.items()}
        self.probe = probe_rows(len(lesson.data))
        self.before = lesson.examine(self.probe)
        self.batches: list[NDArray[np.int64]] = []
        self.clock = Clock()

    def run(self, stop: Callable[[], bool]) -> None:
        """Step by step to the end, or until `stop`."""
        self.lesson.model.train()
        while not self.finished:
            if stop():
                raise self.halt()
            self.advance()

    @property
    def finished(self) -> bool:
        """Whether the planned steps or the patience are used up."""
        return self.now.step >= self.steps or self.now.stale >= self.lesson.params.patience

    def halt(self) -> Cancelled:
        """Keep a last checkpoint; the error says where it stands."""
        self.keep()
        return Cancelled(
            f"Stopped after step {self.now.step} of {self.steps}.",
            "Resume the run to go on from there.",
        )

    def advance(self) -> None:
        """One step, and what is due after it."""
        start = time.monotonic()
        self.step()
        self.follow(time.monotonic() - start)

    def follow(self, spent: float) -> None:
        """What is due after a step that took `spent` seconds: a verdict, a report, a checkpoint."""
        start = time.monotonic()
        ended = self.now.step % self.per_epoch == 0
        judged = ended and self.now.step > self.length * self.episodes
        if judged:
            self.judge()
        self.now.seconds += spent + time.monotonic() - start
        if ended or self.clock.report_due():
            self.tell(judged)
        if ended and not judged:
            self.forget()
        if self.clock.save_due(self.save_every, ended):
            self.keep()

    def step(self) -> None:
        """Learn from the next batch and let the method hear of it."""
        progress = self.progress()
        seen, terms = self.lesson.step(self.coming(progress), progress)
        self.heed(seen, terms, progress)

    def coming(self, progress: TrainingProgress) -> NDArray[np.int64]:
        """The rows of the next step; a course begins with its first.

        Shapes: -> (B,).
        """
        if progress.step == 0:
            self.begin(progress.episode)
        place = progress.step % self.per_epoch
        if place == 0 or not self.batches:
            self.batches = self.lesson.order(progress.epoch, progress.episode)
        return self.batches[place]

    def heed(
        self, seen: BatchOutputs, terms: dict[str, Tensor], progress: TrainingProgress
    ) -> None:
        """The student has learned from a batch: the method hears of it, and it is counted."""
        signal = StepResult(seen, terms, progress, self.asked, self.lesson.review)
        self.lesson.method.on_step_end(signal)
        self.count(seen, terms)
        self.now.step += 1

    def progress(self) -> TrainingProgress:
        """Where the next step stands in its course."""
        course, step = divmod(self.now.step, self.length)
        return TrainingProgress(step, self.length, step // self.per_epoch, course)

    def begin(self, course: int) -> None:
        """Start a course; every one after the first with the first one's weights."""
        if course:
            self.lesson.optimiser.state.clear()
            self.lesson.model.load_state_dict(_part(self.first, "model"))
            for name, module in self.lesson.extra.items():
                module.load_state_dict(_part(self.first, f"extra/{name}"))
        self.lesson.method.on_train_start(course)

    def count(self, seen: BatchOutputs, terms: dict[str, Tensor]) -> None:
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

    def asked(self) -> dict[str, float]:
        """The method asks how the student is doing; it is counted."""
        self.now.passes += 1
        return self.held_out()

    def held_out(self) -> dict[str, float]:
        """Metrics and mean loss of the student as it is, on the selection split."""
        return evaluate(self.lesson.model, self.selection, self.card, self.lesson.device)[0]

    def judge(self) -> None:
        """End an epoch: evaluate, remember the weights if they are the best so far."""
        losses, start = self.losses(), time.monotonic()
        metrics = self.held_out()
        self.clock.evaluated(start)
        epoch = len(self.now.history)
        best = self.counts(epoch) and (
            not self.now.best or self.rank(metrics) > self.rank(self.now.best)
        )
        if best:
            self.now.best, self.now.best_epoch = metrics, epoch
            weights = self.lesson.model.state_dict()
            self.best_weights = {name: each.detach().clone() for name, each in weights.items()}
        entry = {"epoch": epoch, "step": self.now.step, "losses": losses, "metrics": metrics}
        self.now.history.append(entry | {"best": best})
        self.forget()

    def counts(self, epoch: int) -> bool:
        """A staged method's student counts once its last stage taught it; at the end, always."""
        step = (epoch + 1) * self.per_epoch - 1
        done = TrainingProgress(step, self.length, epoch, self.episodes)
        return self.lesson.method.ready(done) or step == self.length - 1

    def forget(self) -> None:
        """Begin the means of an epoch."""
        self.sums, self.now.seen = {}, {}

    def rank(self, metrics: dict[str, float]) -> tuple[float, float]:
        """What is better comes later: the first metric, then the lower loss."""
        return metrics[self.card.metrics[0]], -metrics["loss"]

    def tell(self, ended: bool) -> None:
        """Report progress, what the method noted, and at the end of an epoch its verdict."""
        params, step = self.lesson.params, self.now.step
        course, place = divmod(step - 1, self.length)
        notes, self.lesson.method.logged = self.lesson.method.logged, []
        event = {
            "kind": "epoch" if ended else "step",
            "step": step,
            "steps": self.steps,
            "epoch": place // self.per_epoch,
            "epochs": params.epochs,
            "episode": course,
            "episodes": self.episodes,
            "notes": notes,
            "learning_rate": step_size(place, self.length, params),
            **self.clock.pace(self.steps - step),
        }
        verdict = self.now.history[-1] if ended else {"losses": self.losses()}
        self.report(event | verdict)

    def keep(self) -> None:
        """Hand out a checkpoint, unless it would keep a training that has already diverged."""
        self.losses()
        if self.lesson.method.logged:
            self.tell(ended=False)
        start = time.monotonic()
        self.save(self.checkpoint())
        self.clock.saved(start)

    def checkpoint(self) -> Checkpoint:
        """Everything the rest of the run depends on."""
        lesson = self.lesson
        parts: dict[str, dict[str, Tensor]] = {
            "best": self.best_weights,
            "optimiser": moments(lesson.optimiser),
            "sums": self.sums,
            "method": lesson.method.state_dict(),
        }
        tensors = _named(parts) | self.weights()
        return Checkpoint(tensors, asdict(self.now) | {"steps": self.steps, "seed": lesson.seed})

    def weights(self) -> dict[str, Tensor]:
        """The student's weights, and those of the modules that learn with it."""
        parts = {"model": self.lesson.model.state_dict()}
        extra = self.lesson.extra.items()
        return _named(parts | {f"extra/{name}": each.state_dict() for name, each in extra})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same run.

        Raises:
            Incompatible: it belongs to another run.
        """
        facts, lesson = deepcopy(checkpoint.facts), self.lesson
        planned, seed = facts.pop("steps"), facts.pop("seed")
        if (planned, seed) != (self.steps, lesson.seed):
            raise Incompatible(
                f"The checkpoint plans {planned} steps with seed {seed}, this run {self.steps} "
                f"with seed {lesson.seed}.",
                "Delete the checkpoint to start from the beginning.",
            )
        self.now = Standing(**facts)
        lesson.model.load_state_dict(checkpoint.part("model"))
        for name, module in lesson.extra.items():
            module.load_state_dict(checkpoint.part(f"extra/{name}"))
        set_moments(lesson.optimiser, checkpoint.part("optimiser"))
        lesson.method.load_state_dict(checkpoint.part("method"))
        self.best_weights = self.placed(checkpoint.part("best"))
        self.sums = self.placed(checkpoint.part("sums"))
        progress = self.progress()
        self.batches = self.lesson.order(progress.epoch, progress.episode)

    def placed(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors on this lesson's device."""
        return {name: tensor.to(self.lesson.device) for name, tensor in tensors.items()}

    def result(self) -> Trained:
        """Give the model its best weights and say how it went."""
        self.lesson.model.load_state_dict(self.best_weights)
        self.lesson.model.eval()
        now, episode_steps = self.now, self.length * self.episodes
        told = {"before": self.before, "after": self.lesson.examine(self.probe)}
        return Trained(
            now.best,
            now.best_epoch,
            now.step - episode_steps,
            now.seconds,
            now.history,
            episode_steps,
            now.passes,
            [{"when": when} | row for when, rows in told.items() for row in rows],
        )


def probe_rows(rows: int) -> NDArray[np.int64]:
    """The training examples that a method is asked to tell about: drawn by seed 0."""
    return np.random.default_rng(0).permutation(rows)[:PROBE]


def _named(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Parts of tensors as one: "part/name"."""
    return {f"{part}/{name}": each for part, of in parts.items() for name, each in of.items()}


def _part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
