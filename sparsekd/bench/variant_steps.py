"""Variants of a training step: how batches reach the device, and what runs the step there."""

import copy
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import AdamW
from transformers import PreTrainedModel

from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Batch, Encoded, bucketed
from sparsekd.errors import Unavailable
from sparsekd.knowledge.evaluation import Logits
from sparsekd.methods.base import TrainingProgress
from sparsekd.methods.vanilla import Vanilla
from sparsekd.models.gates import cls_only
from sparsekd.tasks import TaskCard
from sparsekd.training import TrainingJob
from sparsekd.training.recorded_step import RecordedStep
from sparsekd.training.step import TrainingStep

Rows = NDArray[np.int64]
START = TrainingProgress(0, 1, 0)
BATCH = 32


@dataclass(frozen=True)
class Case:
    """A student and what it is trained on, with a teacher's logits."""

    student: PreTrainedModel
    data: Encoded
    card: TaskCard
    logits: Logits
    device: torch.device


class Step:
    """The optimiser step of a training; as in trainings, the last layer is computed for [CLS].

    Args:
        take: What takes the step; `training.run` where it is left out.
    """

    def __init__(
        self, training: TrainingStep, take: Callable[[Rows], object] | None = None
    ) -> None:
        self.training = training
        self.take = take or (lambda rows: training.run(rows, START))
        self.hooks = ExitStack()  # they last as long as the step
        self.hooks.enter_context(cls_only(training.job.model))

    def __call__(self, rows: Rows) -> None:
        """Take one step.

        Shapes: rows (B,).
        """
        self.take(rows)


Build = Callable[[Case], Step]


def epoch(data: Encoded, batch_size: int) -> list[Rows]:
    """Return the full batches of one epoch, in random order."""
    batches = bucketed(data.lengths, batch_size, np.random.default_rng(0))
    return [rows for rows in batches if len(rows) == batch_size]


def our_own(case: Case) -> Step:
    """Return this program's step of vanilla distillation for a copy of the student."""
    return Step(_training(case))


def compiled_step(case: Case) -> Step:
    """Return the step of a model that torch has compiled for all shapes."""
    training = _training(case)
    training.job.model.compile(dynamic=True)
    return Step(training)


@dataclass(frozen=True)
class OnDevice(Encoded):
    """Examples whose tokens lie on the device, where batches are gathered."""

    @classmethod
    def of(cls, data: Encoded, device: torch.device) -> "OnDevice":
        """Copy the examples to a device."""
        moved = cls(**{each.name: getattr(data, each.name) for each in fields(Encoded)})
        tensors = {
            name: torch.from_numpy(getattr(data, name)).to(device)
            for name in ("ids", "segments", "offsets", "labels")
        }
        object.__setattr__(moved, "tensors", tensors)
        return moved

    def batch(self, rows: Rows, device: torch.device | str = "cpu") -> Batch:
        """Return these rows, padded to the longest of them; only their numbers are copied."""
        tensors: dict[str, Tensor] = vars(self)["tensors"]
        longest = int(self.lengths[rows].max())
        chosen = torch.from_numpy(rows)
        if torch.device(device).type == "cuda":
            chosen = chosen.pin_memory()
        chosen = chosen.to(device, non_blocking=True)
        starts, ends = tensors["offsets"][chosen], tensors["offsets"][chosen + 1]
        places = starts[:, None] + torch.arange(longest, device=device)
        real = places < ends[:, None]
        places = torch.where(real, places, 0)
        ids = torch.where(real, tensors["ids"][places].long(), self.pad)
        segments = torch.where(real, tensors["segments"][places].long(), 0)
        return Batch(rows, ids, real.long(), segments, tensors["labels"][chosen])


class Waiting(Encoded):
    """Examples whose batches are copied to the device while the program waits."""

    def batch(self, rows: Rows, device: torch.device | str = "cpu") -> Batch:
        """Return these rows, padded to the longest of them, when the device has them."""
        made = super().batch(rows, "cpu")
        return _moved(made, lambda tensor: tensor.to(device))


class Pinned(Encoded):
    """Examples whose batches pass through pinned memory, without waiting for the copy."""

    def batch(self, rows: Rows, device: torch.device | str = "cpu") -> Batch:
        """Return these rows, padded to the longest of them, from pinned memory."""
        made = super().batch(rows, "cpu")
        if torch.device(device).type != "cuda":
            return made
        return _moved(made, lambda tensor: tensor.pin_memory().to(device, non_blocking=True))


def recorded(case: Case) -> Step:
    """Return the step as CUDA graphs.

    Raises:
        Unavailable: not a CUDA device.
    """
    if case.device.type != "cuda":
        raise Unavailable(f"{case.device} has no CUDA graphs.", "Choose a CUDA device.")
    return Step(_training(case, record=True))


def not_recorded(case: Case) -> Step:
    """Return the step on the batches and with the optimiser of the graphs, but run as usual."""
    training = _training(case)
    logits, optimiser = training.teacher_logits, training.optimiser
    step = RecordedStep(training.job, logits, optimiser, training.class_weights)
    step.recorded.record = False
    training.recorded = step
    return Step(training)


def not_fused(case: Case) -> Step:
    """Return the step with torch's AdamW over lists of tensors instead of the fused one."""
    training = _training(case)
    groups = _groups(training)
    training.optimiser = AdamW(groups, eps=training.job.params.epsilon, foreach=True)
    return Step(training)


def _with_data(kind: Callable[[Encoded, torch.device], Encoded]) -> Build:
    def build(case: Case) -> Step:
        return Step(_training(replace(case, data=kind(case.data, case.device))))

    return build


def _retyped(kind: type[Encoded]) -> Callable[[Encoded, torch.device], Encoded]:
    return lambda data, _: kind(**{each.name: getattr(data, each.name) for each in fields(Encoded)})


STEPS: Mapping[str, Build] = {
    "AdamW not fused": not_fused,
    "waiting for copies": _with_data(_retyped(Waiting)),
    "pinned copies": _with_data(_retyped(Pinned)),
    "examples on the device": _with_data(OnDevice.of),
    "padded to multiples of 8": not_recorded,
}


def _training(case: Case, record: bool = False) -> TrainingStep:
    params, method = TrainParams.of({"batch_size": BATCH}), Vanilla(VanillaParams())
    return TrainingStep(
        TrainingJob(
            copy.deepcopy(case.student).train(),
            method,
            case.data,
            case.data,
            case.card,
            params,
            device=case.device,
            teacher_logits=[case.logits],
            record=record,
        )
    )


def _groups(training: TrainingStep) -> list[dict[str, Any]]:
    """Return the optimiser's groups with their decay alone: the rest is a new optimiser's own."""
    return [
        {"params": group["params"], "weight_decay": group["weight_decay"]}
        for group in training.optimiser.param_groups
    ]


def _moved(batch: Batch, move: Callable[[Tensor], Tensor]) -> Batch:
    return Batch(
        batch.rows,
        move(batch.input_ids),
        move(batch.attention_mask),
        move(batch.token_type_ids),
        move(batch.labels),
    )
