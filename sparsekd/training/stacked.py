"""Several students trained at once as one stacked model, with the same result as one by one.

Each keeps its own trainer: seed, order of the data, teachers' logits, method, best epoch, patience
and checkpoints; only forward pass, backward pass and optimiser step are shared.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import AdamW

from sparsekd.data import Batch
from sparsekd.errors import Incompatible, SparseKDError
from sparsekd.knowledge.observe import Knowledge
from sparsekd.methods.base import BatchOutputs, Method, TrainingProgress
from sparsekd.models import stacked
from sparsekd.models.memory import enough_memory
from sparsekd.models.stacked import Stack
from sparsekd.training.job import TrainingJob
from sparsekd.training.joint import joint_losses
from sparsekd.training.optimisation import weights_of
from sparsekd.training.state import TrainingResult
from sparsekd.training.step import TrainingStep
from sparsekd.training.trainer import Trainer

MEMORY_HINT = "Lower batch_size or max_length, or train fewer students together."
StepOutput = tuple[BatchOutputs, dict[str, Tensor], TrainingProgress]
Rows = NDArray[np.int64]


def train_stacked(
    jobs: Sequence[TrainingJob],
) -> Iterator[tuple[int, TrainingResult | SparseKDError]]:
    """Train the models of all jobs in place; yield the index and the result of each as it ends.

    A job that fails or is stopped does not end the others. Without dropout every student becomes,
    within floating-point tolerance, what `train` makes of it alone; with dropout the draws are
    others, and depend on the jobs beside it. Checkpoints are those of `train`: a job may continue
    from one alone, or together with others, which wait until it has caught up.

    Raises:
        Incompatible: the jobs cannot be stacked, or a method needs more than logits.
        Unavailable: memory ran out.
    """
    check_stackable(jobs)
    with enough_memory(MEMORY_HINT), torch.random.fork_rng(jobs[0].cuda_devices):
        trainers: dict[int, Trainer] = {}
        for index, job in enumerate(jobs):
            try:
                trainers[index] = _trainer(job)
            except SparseKDError as error:
                yield index, error
        group: StackedTrainer | None = None
        while trainers:
            for index in list(trainers):
                if (end := _end(trainers[index])) is not None:
                    del trainers[index]
                    yield index, end
            group = _next_group(group, trainers)
            for index, failure in group.advance().items() if group else ():
                del trainers[index]
                yield index, failure


def check_stackable(jobs: Sequence[TrainingJob]) -> None:
    """Check that the jobs can be trained as one stacked model.

    Raises:
        Incompatible: they cannot, with the reason.
    """
    stacked.check([job.model for job in jobs])
    first = jobs[0]
    for job in jobs:
        if job.data.ids is not first.data.ids:
            raise Incompatible("The students are trained on different texts.", stacked.HINT)
        if (job.card, job.params, job.device) != (first.card, first.params, first.device):
            raise Incompatible(
                "The students differ in task, training parameters or device.", stacked.HINT
            )
        method = job.method
        if method.reads_layers or method.inspects_examples or method.training_episodes:
            raise _needs_more_than_logits(method)


def _needs_more_than_logits(method: Method) -> Incompatible:
    name = type(method).__name__
    return Incompatible(f"{name} reads more than logits and labels.", stacked.HINT)


def _trainer(job: TrainingJob) -> Trainer:
    step = TrainingStep(job)
    if step.modules or job.method.student_needs or job.method.teacher_needs:
        raise _needs_more_than_logits(job.method)
    return Trainer(step)


def _end(trainer: Trainer) -> TrainingResult | SparseKDError | None:
    """Return the result or the error of a student that takes no further step, else None."""
    try:
        if trainer.finished:
            stacked.release(trainer.job.model)
            return trainer.result()
        return trainer.cancel() if trainer.job.callbacks.should_stop() else None
    except SparseKDError as error:
        return error


def _next_group(
    group: "StackedTrainer | None", trainers: dict[int, Trainer]
) -> "StackedTrainer | None":
    """Return the students for the next step: those furthest behind, until they have caught up."""
    behind = min((trainer.state.step for trainer in trainers.values()), default=0)
    members = {i: trainer for i, trainer in trainers.items() if trainer.state.step == behind}
    if group and members.keys() == group.trainers.keys():
        return group
    return StackedTrainer(members, len(trainers)) if members else None


class StackedTrainer:
    """Students at the same step, as one model with one optimiser.

    The moments of each, like its weights, are views into the stacked ones.

    Args:
        trainers: The trainer of each student, by the index of its job.
        students: The students in this process, those of other groups included.
    """

    def __init__(self, trainers: dict[int, Trainer], students: int) -> None:
        self.trainers = trainers
        steps = [trainer.training_step for trainer in trainers.values()]
        self.lead = steps[0]
        self.stack = Stack([step.job.model for step in steps])
        self.optimiser = self._stacked_optimiser(steps)
        self.weights = weights_of(self.optimiser)
        self.joint = joint_losses(list(trainers.values()))
        self.in_joint = {place for group in self.joint for place in group.places.tolist()}
        for trainer in trainers.values():
            trainer.clock.students = students

    def _stacked_optimiser(self, steps: list[TrainingStep]) -> AdamW:
        """Return AdamW over the stacked weights, in the groups of the students' optimisers."""
        names = {id(weight): name for name, weight in self.lead.job.model.named_parameters()}
        groups = [
            group | {"params": [self.stack.weights[names[id(w)]] for w in group["params"]]}
            for group in self.lead.optimiser.param_groups
        ]
        optimiser = AdamW(groups, fused=True)
        by_weight = zip(*(step.weights for step in steps), strict=True)
        for weight, own_weights in zip(weights_of(optimiser), by_weight, strict=True):
            own = [step.optimiser.state[w] for step, w in zip(steps, own_weights, strict=True)]
            optimiser.state[weight] = _stacked_moments(weight, own)
        return optimiser

    def advance(self) -> dict[int, SparseKDError]:
        """Take one step, then evaluate, report and save if it is time to; return the failures."""
        start = time.monotonic()
        failed = self.take_step()
        seconds = (time.monotonic() - start) / len(self.trainers)
        for index, trainer in self.trainers.items():
            if index not in failed:
                with _collecting(failed, index):
                    trainer.after_step(seconds)
        return failed

    def take_step(self) -> dict[int, SparseKDError]:
        """Train every student on its next batch; return the failures."""
        failed: dict[int, SparseKDError] = {}
        for index, output in self._train_step(failed).items():
            with _collecting(failed, index):
                self.trainers[index].end_step(*output)
        return failed

    def _train_step(self, failed: dict[int, SparseKDError]) -> dict[int, StepOutput]:
        positions = {index: trainer.progress() for index, trainer in self.trainers.items()}
        rows = [trainer.next_rows(positions[i]) for i, trainer in self.trainers.items()]
        progress = next(iter(positions.values()))
        torch.manual_seed(self.lead.step_seed(progress))
        batch = self.lead.job.data.batch(np.concatenate(_evened(rows)), self.lead.job.device)
        outputs: dict[int, StepOutput] = {}
        with self.lead.autocast():
            logits = self.stack.logits(batch)
            counts = [len(each) for each in rows]
            together = [group.terms(logits, batch, counts, progress) for group in self.joint]
            means = [each.loss() for each in together]
            for number, (index, trainer) in enumerate(self.trainers.items()):
                if number in self.in_joint:
                    continue
                with _collecting(failed, index):
                    own = _slice(batch, number * logits.shape[1], trainer.job, len(rows[number]))
                    student = Knowledge(logits[number, : len(own)])
                    seen = trainer.training_step.with_teachers(student, own)
                    terms = trainer.training_step.terms(seen, positions[index])
                    means += [term.mean() for term in terms.values()]
                    detached = {name: term.detach() for name, term in terms.items()}
                    outputs[index] = (seen, detached, positions[index])
        if means:
            torch.autograd.backward(torch.stack(means).sum())
            self._update(self.lead.learning_rate(progress))
        for group, found in zip(self.joint, together, strict=True):
            group.end_step(found)
        return outputs

    def _update(self, learning_rate: float) -> None:
        """Clip each student's gradients by their own norm, update, and reset the gradients."""
        self.stack.clear_padding_gradients()
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients])
        norm = torch.linalg.vector_norm(norms, dim=0)
        factor = (self.lead.job.params.clip / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)


@contextmanager
def _collecting(failed: dict[int, SparseKDError], index: int) -> Iterator[None]:
    """Record an error inside the block as the failure of one student."""
    try:
        yield
    except SparseKDError as error:
        failed[index] = error


def _stacked_moments(weight: Tensor, own: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack the moments of one weight; those of each student become views into them."""
    step = own[0].get("step", torch.zeros((), device=weight.device)).clone()
    whole = {"step": step}
    for kind in ("exp_avg", "exp_avg_sq"):
        zero = torch.zeros_like(weight[0])
        whole[kind] = torch.stack([state.get(kind, zero) for state in own])
    for index, state in enumerate(own):
        state |= {"step": step} | {k: whole[k][index] for k in ("exp_avg", "exp_avg_sq")}
    return whole


def _evened(rows: list[Rows]) -> list[Rows]:
    """Pad each student's rows to the same number with its first row, which no loss will use."""
    most = max(len(each) for each in rows)
    return [np.concatenate([each, np.repeat(each[:1], most - len(each))]) for each in rows]


def _slice(batch: Batch, start: int, job: TrainingJob, rows: int) -> Batch:
    """Return one student's part of the batch, with the labels that it knows."""
    own = slice(start, start + rows)
    return Batch(
        batch.rows[own],
        batch.input_ids[own],
        batch.attention_mask[own],
        batch.token_type_ids[own],
        *job.data.targets(batch.rows[own], job.device),
    )
