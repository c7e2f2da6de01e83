"""Several students trained at once, as one stacked model: the same result as one by one.

Each keeps its own lesson and course: seed, order of the data, teachers' logits, method, best
epoch, patience and checkpoints; only forward pass, backward pass and optimiser step are shared.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import AdamW
from transformers import PreTrainedModel

from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Batch, Encoded
from sparsekd.errors import Incompatible, SparseKDError
from sparsekd.knowledge.evaluation import Logits, OnProgress, no_progress
from sparsekd.knowledge.observe import Knowledge
from sparsekd.methods.base import BatchOutputs, Method, TrainingProgress
from sparsekd.models import stacked
from sparsekd.models.memory import enough_memory
from sparsekd.models.stacked import Stack
from sparsekd.tasks import TaskCard
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.optimisation import step_size, weights_of
from sparsekd.training.step import Lesson
from sparsekd.training.trainer import Course, Trained

MEMORY_HINT = "Lower batch_size or max_length, or train fewer students together."


@dataclass(frozen=True)
class Learner:
    """One of several students that train together; see `training.train` for what each thing is."""

    model: PreTrainedModel
    method: Method
    seed: int = 0
    teacher_logits: Sequence[Logits] = ()
    report: OnProgress = no_progress
    stop: Callable[[], bool] = lambda: False
    save: Callable[[Checkpoint], None] = lambda checkpoint: None
    resume: Checkpoint | None = None


def train(
    learners: Sequence[Learner],
    data: Encoded,
    selection: Encoded,
    card: TaskCard,
    params: TrainParams,
    *,
    device: torch.device | str = "cpu",
    save_every: float = 60.0,
) -> Iterator[tuple[int, Trained | SparseKDError]]:
    """Train all learners in place; yields each one's place and end, as soon as it has ended.

    One that fails or is stopped takes nobody down. Without dropout every student becomes, within
    floating-point tolerance, what `training.train` makes of it alone; with dropout the draws are
    others, and depend on who trains beside it. Snapshots are those of `training.train`: a student
    may go on from one alone, or together with others, who wait where it is behind.

    Raises:
        Incompatible: they cannot be stacked, or a method wants more than logits.
        Unavailable: memory ran out.
    """
    device = torch.device(device)
    check(learners)
    cuda = [device.index or 0] if device.type == "cuda" else []
    with enough_memory(MEMORY_HINT), torch.random.fork_rng(cuda):
        courses: dict[int, Course] = {}
        for place, one in enumerate(learners):
            try:
                courses[place] = _course(one, data, selection, card, params, device, save_every)
            except SparseKDError as refusal:
                yield place, refusal
        crew: Crew | None = None
        while courses:
            for place in list(courses):
                if (fate := _fate(courses[place], learners[place].stop)) is not None:
                    del courses[place]
                    yield place, fate
            crew = _crew(crew, courses)
            for place, error in crew.advance().items() if crew else ():
                del courses[place]
                yield place, error


def check(learners: Sequence[Learner]) -> None:
    """Refuse what cannot be trained together.

    Raises:
        Incompatible: with the reason.
    """
    stacked.check([learner.model for learner in learners])
    for learner in learners:
        method = learner.method
        if method.reads_layers or method.inspects_examples or method.training_episodes:
            name = type(method).__name__
            raise Incompatible(f"{name} reads more than logits and labels.", stacked.ALONE)


def _course(
    learner: Learner,
    data: Encoded,
    selection: Encoded,
    card: TaskCard,
    params: TrainParams,
    device: torch.device,
    save_every: float,
) -> Course:
    lesson = Lesson(
        learner.model, learner.method, data, card, params, learner.seed, device,
        learner.teacher_logits, selection_rows=len(selection),
    )  # fmt: skip
    method = learner.method
    if lesson.extra or method.student_needs or method.teacher_needs:
        name = type(method).__name__
        raise Incompatible(f"{name} reads more than logits and labels.", stacked.ALONE)
    course = Course(lesson, selection, card, learner.report, learner.save, save_every)
    if learner.resume:
        course.restore(learner.resume)
    return course


def _fate(course: Course, stop: Callable[[], bool]) -> Trained | SparseKDError | None:
    """How a student has ended before its next step, if it has."""
    try:
        if course.finished:
            stacked.release(course.lesson.model)
            return course.result()
        return course.halt() if stop() else None
    except SparseKDError as error:
        return error


def _crew(crew: "Crew | None", courses: dict[int, Course]) -> "Crew | None":
    """Those who take the next step: the ones furthest behind, until they have caught up."""
    behind = min((course.now.step for course in courses.values()), default=0)
    now = {place: course for place, course in courses.items() if course.now.step == behind}
    if crew and now.keys() == crew.courses.keys():
        return crew
    return Crew(now, len(courses)) if now else None


class Crew:
    """Students at the same step, as one model with one optimiser.

    Each one's moments, like its weights, are views into those of all.
    """

    def __init__(self, courses: dict[int, Course], learners: int) -> None:
        self.courses = courses
        lessons = [course.lesson for course in courses.values()]
        self.lead = lessons[0]
        self.stack = Stack([lesson.model for lesson in lessons])
        self.optimiser = self._optimiser(lessons)
        self.weights = weights_of(self.optimiser)
        for course in courses.values():
            course.clock.learners = learners

    def _optimiser(self, lessons: list[Lesson]) -> AdamW:
        """AdamW over the stacked weights, in the groups that each one's own would have."""
        names = {id(weight): name for name, weight in self.lead.model.named_parameters()}
        groups = [
            group | {"params": [self.stack.weights[names[id(w)]] for w in group["params"]]}
            for group in self.lead.optimiser.param_groups
        ]
        made = AdamW(groups, fused=True)
        everybody = zip(*(lesson.weights for lesson in lessons), strict=True)
        for weight, ones in zip(weights_of(made), everybody, strict=True):
            own = [lesson.optimiser.state[w] for lesson, w in zip(lessons, ones, strict=True)]
            made.state[weight] = _joined(weight, own)
        return made

    def advance(self) -> dict[int, SparseKDError]:
        """One step of everybody, and what is due after it; returns who failed, and why."""
        start = time.monotonic()
        failed = self.step()
        spent = (time.monotonic() - start) / len(self.courses)
        for place, course in self.courses.items():
            if place not in failed:
                with _noting(failed, place):
                    course.follow(spent)
        return failed

    def step(self) -> dict[int, SparseKDError]:
        """Learn from everybody's next batch; returns who failed, and why."""
        failed: dict[int, SparseKDError] = {}
        for place, learned in self._learn(failed).items():
            with _noting(failed, place):
                self.courses[place].heed(*learned)
        return failed

    def _learn(self, failed: dict[int, SparseKDError]) -> "dict[int, Learned]":
        now = {place: course.progress() for place, course in self.courses.items()}
        rows = [course.coming(now[place]) for place, course in self.courses.items()]
        progress = next(iter(now.values()))
        torch.manual_seed(self.lead.chance(progress))
        batch = self.lead.data.batch(np.concatenate(_evened(rows)), self.lead.device)
        learned: dict[int, Learned] = {}
        with self.lead.precision():
            logits = self.stack.logits(batch)
            means = []
            for number, (place, course) in enumerate(self.courses.items()):
                with _noting(failed, place):
                    part = _part(batch, number * logits.shape[1], len(rows[number]))
                    seen = course.lesson.beside(Knowledge(logits[number, : len(part)]), part)
                    terms = course.lesson.method.loss(seen, now[place])
                    means.append(torch.stack(list(terms.values())).sum(0).mean())
                    detached = {name: term.detach() for name, term in terms.items()}
                    learned[place] = (seen, detached, now[place])
        if means:
            torch.autograd.backward(torch.stack(means).sum())
            self._update(step_size(progress.step, progress.steps, self.lead.params))
        return learned

    def _update(self, rate: float) -> None:
        """Clip each student's gradient by its own norm, move every weight, forget the gradient."""
        self.stack.spare_padding()
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients])
        norm = torch.linalg.vector_norm(norms, dim=0)
        factor = (self.lead.params.clip / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)


@contextmanager
def _noting(failed: dict[int, SparseKDError], place: int) -> Iterator[None]:
    """What goes wrong inside is one student's failure, not everybody's."""
    try:
        yield
    except SparseKDError as error:
        failed[place] = error


Learned = tuple[BatchOutputs, dict[str, Tensor], TrainingProgress]


def _joined(weight: Tensor, own: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The moments of one weight, stacked from each student's; theirs become views of it."""
    step = own[0].get("step", torch.zeros((), device=weight.device)).clone()
    whole = {"step": step}
    for kind in ("exp_avg", "exp_avg_sq"):
        first = torch.zeros_like(weight[0])
        whole[kind] = torch.stack([state.get(kind, first) for state in own])
    for place, state in enumerate(own):
        state |= {"step": step} | {k: whole[k][place] for k in ("exp_avg", "exp_avg_sq")}
    return whole


def _evened(rows: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """As many rows for everybody: who has fewer repeats its first one, which nobody will learn."""
    most = max(len(each) for each in rows)
    return [np.concatenate([each, np.repeat(each[:1], most - len(each))]) for each in rows]


def _part(batch: Batch, start: int, rows: int) -> Batch:
    """One student's part of the batch."""
    own = slice(start, start + rows)
    return Batch(
        batch.rows[own],
        batch.input_ids[own],
        batch.attention_mask[own],
        batch.token_type_ids[own],
        batch.labels[own],
    )
