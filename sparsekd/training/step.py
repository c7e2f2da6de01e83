"""One optimiser step: outputs of student and teachers, loss terms, gradients, update."""

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsekd.data import Batch, bucketed, upload
from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.knowledge.evaluation import eval_mode
from sparsekd.knowledge.observe import Knowledge, observe
from sparsekd.methods.base import BatchOutputs, Setup, TrainingProgress
from sparsekd.models.devices import move, training_precision
from sparsekd.system import budgets
from sparsekd.tasks import class_weights
from sparsekd.training.checkpoint import merged, part
from sparsekd.training.events import CacheProgress
from sparsekd.training.job import TrainingJob
from sparsekd.training.optimisation import adamw, learning_rate_at, weights_of
from sparsekd.training.recorded_step import RecordedStep, has_dropout
from sparsekd.training.teacher_cache import TeacherCache

Rows = NDArray[np.int64]
INSPECTED = 128  # training examples that a method inspects


class TrainingStep:
    """The optimiser step of a job, with its optimiser, its teachers and its random draws.

    Every random draw depends on the seed and the position of the step alone, so that a resumed
    training needs no state of a generator.

    Raises:
        Incompatible: model, teachers, task and method do not fit together.
        BadInput: no training examples, or logits that are not finite.
        Cancelled: the job was stopped while the teachers' internal states were cached.
    """

    def __init__(self, job: TrainingJob) -> None:
        self.job = job
        move(job.model, job.device)
        self.teachers = tuple(move(each, job.device).eval() for each in job.teachers)
        self.epoch_steps = -(-len(job.data) // job.params.batch_size)
        _check(job)
        self.rows = _usable_rows(job)
        self.teacher_logits = self._stacked_teacher_logits()
        self.class_weights = _class_weights(job)
        torch.manual_seed(derived_seed(job.seed, 0))
        job.method.prepare(self._setup())
        self.caches = self._teacher_caches()
        self.modules = {name: each.to(job.device) for name, each in job.method.modules().items()}
        self.optimiser = adamw([job.model, *self.modules.values()], job.params)
        self.weights = weights_of(self.optimiser)

    def run(self, rows: Rows, progress: TrainingProgress) -> tuple[BatchOutputs, dict[str, Tensor]]:
        """Train on some examples; return the outputs and the detached loss terms.

        The loss is the sum of the terms' means, each over the examples that it applies to; a batch
        to which none applies changes nothing.

        Shapes: rows (B,) -> each term (B,), or (K,) for K examples that it applies to.
        """
        torch.manual_seed(self.step_seed(progress))
        if self.recorded and self.job.data.labelled[rows].all():
            return self.recorded.run(rows, self.learning_rate(progress))
        batch = self.job.data.batch(rows, self.job.device)
        with self.autocast():
            outputs = self.outputs(batch)
            terms = self.terms(outputs, progress)
            means = [term.mean() for term in terms.values()]
        if means:
            torch.autograd.backward(torch.stack(means).sum())
            self.update(self.learning_rate(progress))
        return outputs, {name: term.detach() for name, term in terms.items()}

    @cached_property
    def recorded(self) -> RecordedStep | None:
        """The recorded step; None where there is nothing to record or the method needs more."""
        method, more = self.job.method, self.modules or self.caches or self.teachers
        wanted = self.job.record and self.job.device.type == "cuda"
        if not wanted or not method.by_example or method.student_needs or more:
            return None
        if has_dropout(self.job.model):
            return None
        return RecordedStep(self.job, self.teacher_logits, self.optimiser, self.class_weights)

    def terms(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return the method's loss terms that apply to an example of the batch.

        Shapes: each term (B,), or (K,) for K examples that it applies to.
        """
        terms = self.job.method.loss(outputs, progress)
        return {name: term for name, term in terms.items() if len(term)}

    def learning_rate(self, progress: TrainingProgress) -> float:
        """Return the learning rate of a step, within its stage where the method has such rates."""
        span = self.job.method.rate_span(progress)
        return learning_rate_at(progress.step - span.start, len(span), self.job.params)

    def update(self, learning_rate: float) -> None:
        """Clip the gradients, update the weights and reset the gradients."""
        torch.nn.utils.clip_grad_norm_(self.weights, self.job.params.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def step_seed(self, progress: TrainingProgress) -> int:
        """Return the seed of one step; that of the final training does not depend on episodes."""
        episode = self._episode_key(progress.episode)
        return derived_seed(self.job.seed, 1 + progress.step, *episode)

    def epoch_batches(self, epoch: int, episode: int) -> list[Rows]:
        """Return the batches of one epoch; in the final training they are the same for any method.

        A method that uses labelled examples alone passes over them again until the epoch has as
        many steps as one of all examples: the budget is the same.

        Shapes: -> epoch_steps times (B,).
        """
        rng = np.random.default_rng([self.job.seed, epoch, *self._episode_key(episode)])
        lengths, params = self.job.data.lengths[self.rows], self.job.params
        batches: list[Rows] = []
        while len(batches) < self.epoch_steps:
            found = bucketed(lengths, params.batch_size, rng, params.padding_noise)
            batches += [self.rows[places] for places in found]
        return batches[: self.epoch_steps]

    def outputs(self, batch: Batch) -> BatchOutputs:
        """Return the outputs of the student (with gradients) and its teachers (without)."""
        student = observe(self.job.model, batch, self.job.method.student_needs)
        return self.with_teachers(student, batch)

    def with_teachers(self, student: Knowledge, batch: Batch) -> BatchOutputs:
        """Return the student's outputs on a batch together with those of its teachers."""
        rows = upload(batch.rows, self.job.device)
        logits = self.teacher_logits[rows].unbind(1)
        teachers = [Knowledge(each) for each in logits]
        for index, cache in enumerate(self.caches):
            teachers[index] = replace(cache.knowledge(batch), logits=logits[index])
        return BatchOutputs(
            student,
            tuple(teachers),
            batch.labels,
            batch.attention_mask,
            batch.rows,
            batch.labelled,
            self.class_weights,
        )

    @torch.no_grad()
    def eval_outputs(self, rows: Rows) -> BatchOutputs:
        """Return the current outputs on some training examples, without dropout.

        Shapes: rows (B,).
        """
        with eval_mode(self.job.model), self.autocast():
            return self.outputs(self.job.data.batch(rows, self.job.device))

    def inspect_examples(self) -> list[dict[str, Any]]:
        """Return the method's table rows about some training examples, drawn by seed 0."""
        method, size = self.job.method, self.job.params.batch_size
        if not method.inspects_examples:
            return []
        rows = np.random.default_rng(0).permutation(len(self.job.data))[:INSPECTED]
        return [
            row
            for start in range(0, len(rows), size)
            for row in method.inspect_examples(self.eval_outputs(rows[start : start + size]))
        ]

    def all_weights(self) -> dict[str, Tensor]:
        """Return the weights of the student and of the method's modules, by "part/name"."""
        modules = {f"extra/{name}": each.state_dict() for name, each in self.modules.items()}
        return merged({"model": self.job.model.state_dict()} | modules)

    def load_weights(self, tensors: dict[str, Tensor]) -> None:
        """Load what `all_weights` returned."""
        self.job.model.load_state_dict(part(tensors, "model"))
        for name, module in self.modules.items():
            module.load_state_dict(part(tensors, f"extra/{name}"))

    def autocast(self) -> AbstractContextManager[object]:
        """Return a context that computes in bfloat16 on CUDA, where it is fast and exact enough."""
        return training_precision(self.job.device)

    def _episode_key(self, episode: int) -> list[int]:
        """Return the part of a seed that separates an episode from the final training."""
        return [] if episode == self.job.method.training_episodes else [1 + episode]

    def _setup(self) -> Setup:
        job, held_out = self.job, {}
        if job.held_out_logits:
            stacked = np.stack(job.held_out_logits, axis=1).astype(np.float32)
            held_out["held_out"] = torch.from_numpy(stacked).to(job.device)
            held_out["held_out_labels"] = torch.from_numpy(job.selection.labels).to(job.device)
        return Setup(
            student=job.model,
            card=job.card,
            teacher_count=len(job.teacher_logits),
            teachers=self.teachers,
            device=job.device,
            steps=self.epoch_steps * job.params.epochs,
            rows=len(job.data),
            selection_rows=len(job.selection),
            batch_size=job.params.batch_size,
            **held_out,
        )

    def _stacked_teacher_logits(self) -> Tensor:
        """Return one tensor for all N teachers: a batch costs one gather, however many there are.

        The logits of a single teacher are not copied: on a CPU, mapped ones stay in their file.

        Shapes: -> (rows of data, N, C).
        """
        job = self.job
        logits = [np.asarray(each, dtype=np.float32) for each in job.teacher_logits]
        if len(logits) == 1:
            return torch.from_numpy(logits[0][:, None]).to(job.device)
        none = np.zeros((len(job.data), 0, job.card.classes), dtype=np.float32)
        return torch.from_numpy(np.stack(logits, axis=1) if logits else none).to(job.device)

    def _teacher_caches(self) -> list[TeacherCache]:
        """Return a cache per teacher for the internal states that the method needs."""
        job, needs = self.job, self.job.method.teacher_needs
        budget = budgets.cache_bytes(job.device.type) // max(1, len(self.teachers))
        return [
            TeacherCache(teacher, needs, job.data, job.device, budget, self._on_cache_progress)
            for teacher in (self.teachers if needs else ())
        ]

    def _on_cache_progress(self, done: int, total: int) -> None:
        self.job.callbacks.on_event(CacheProgress(done, total))
        if self.job.callbacks.should_stop():
            raise Cancelled("Stopped before the first step.", "Resume the run to begin again.")


def derived_seed(seed: int, *position: int) -> int:
    """Return a 64-bit seed for one position of a training, unlike that of any other position."""
    return int(np.random.SeedSequence([seed, *position]).generate_state(1, np.uint64)[0])


def _usable_rows(job: TrainingJob) -> Rows:
    """Return the examples that the method uses: all, or the labelled ones.

    Shapes: -> (rows,).
    """
    rows = np.arange(len(job.data))
    return rows[job.data.labelled] if job.method.params.labelled_only else rows


def _class_weights(job: TrainingJob) -> Tensor | None:
    """Return the weights of the classes by the labels that the training knows, where it has any.

    Shapes: -> (C,).
    """
    if job.params.class_weights == "none":
        return None
    return upload(class_weights.balanced(job.data.labels, job.card.classes), job.device)


def _check(job: TrainingJob) -> None:
    class_weights.check(job.card, job.params.class_weights)
    if not len(job.data):
        raise BadInput("There are no training examples.", "Check the task's training data.")
    if job.method.params.labelled_only and not job.data.labelled.any():
        raise Incompatible(
            "No training example has a gold label, and the method uses nothing else.",
            "Choose a method with a teacher, or training data with labels.",
        )
    if job.method.params.needs_classes and job.card.regression:
        raise Incompatible(
            f"The labels of {job.card.name} are numbers; the method learns classes.",
            "Choose a classification task, or another method.",
        )
    if not len(job.selection):
        raise BadInput(
            "The selection split has no gold label: no epoch could be chosen.",
            "Keep more labels.",
        )
    classes = job.model.config.num_labels
    if classes != job.card.classes:
        raise Incompatible(
            f"The student has {classes} outputs, {job.card.name} has {job.card.classes}.",
            "Choose a student made for this task.",
        )
    _check_teachers(job)


def _check_teachers(job: TrainingJob) -> None:
    expected = (len(job.data), job.card.classes)
    for logits in job.teacher_logits:
        if logits.shape != expected:
            raise Incompatible(
                f"A teacher's logits have the shape {logits.shape}, not {expected}.",
                "Choose a teacher that was trained on this task.",
            )
        if not np.isfinite(logits).all():
            raise BadInput(
                "A teacher's logits contain NaN or infinity.", "Train the teacher again."
            )
    if job.method.reads_layers and len(job.teachers) != len(job.teacher_logits):
        raise Incompatible(
            f"{len(job.teacher_logits)} teachers' logits but {len(job.teachers)} teachers; the "
            "method also reads their layers.",
            "Choose teachers that read the student's tokens.",
        )
