"""Training steps measured in turn: those of plain loops and those of this program."""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd.bench.peak import operations
from sparsekd.bench.seconds import seconds
from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Encoded, bucketed
from sparsekd.knowledge.evaluation import Logits
from sparsekd.methods.base import Method, TrainingProgress
from sparsekd.models import architectures
from sparsekd.models.gates import cls_only
from sparsekd.system.wording import counted
from sparsekd.tasks import TaskCard
from sparsekd.training import TrainingJob
from sparsekd.training.step import TrainingStep

Rows = NDArray[np.int64]
Step = Callable[[Rows], None]


def our_step(
    model: PreTrainedModel,
    method: Method,
    data: Encoded,
    card: TaskCard,
    params: TrainParams,
    device: torch.device,
    logits: Sequence[Logits] = (),
) -> Step:
    """Return the step of this program for a copy of the model."""
    own = copy.deepcopy(model).train()
    job = TrainingJob(
        own, method, data, data, card, params, device=device, teacher_logits=list(logits)
    )
    training_step = TrainingStep(job)

    def step(rows: Rows) -> None:
        with cls_only(own):
            training_step.run(rows, TrainingProgress(0, 1, 0))

    return step


def in_turn(
    plain: Sequence[Step],
    ours: Step,
    data: Encoded,
    batch_size: int,
    rounds: int,
    device: torch.device,
) -> list[tuple[float, ...]]:
    """Return the seconds per example of the plain steps and of ours by round.

    Every round takes two steps of each plain loop, on batches drawn at random, and a share of one
    epoch of ours. Before the first one, each takes a step to warm up.
    """
    rng = np.random.default_rng(0)
    epoch = _epoch(data, batch_size, rng)
    rounds = min(rounds, len(epoch))
    times: list[tuple[float, ...]] = []
    with torch.random.fork_rng(_cuda(device)):
        for step in (*plain, ours):
            step(epoch[len(epoch) // 2])
        for turn in range(rounds):
            drawn = [rng.choice(len(data), min(batch_size, len(data)), False) for _ in range(2)]
            # Every `rounds`-th batch of the sorted epoch: each round has batches of all lengths.
            share = epoch[turn::rounds]
            spent = [_each(step, drawn, device) for step in plain]
            times.append((*spent, _each(ours, share, device)))
    return times


def operations_each(ours: Step, data: Encoded, batch_size: int, device: torch.device) -> float:
    """Return the operations of our step per example, counted on some batches of all lengths."""
    epoch = _epoch(data, batch_size, np.random.default_rng(0))
    some = epoch[:: max(1, len(epoch) // 5)]

    def run() -> None:
        for rows in some:
            ours(rows)

    with torch.random.fork_rng(_cuda(device)):
        return operations(run) / sum(len(rows) for rows in some)


def setting(teacher: PreTrainedModel, data: Encoded, batch_size: int, layers: str = "") -> str:
    """Return on what a training benchmark was measured, in words."""
    depth = len(architectures.blocks(teacher))
    return (
        f"batch {batch_size}, {depth}{layers} layers, {len(data)} texts of "
        f"{data.lengths.mean():.0f} tokens on average, {place(teacher.device)}"
    )


def place(device: torch.device) -> str:
    """Return the device in words: of a processor, the threads."""
    return counted(torch.get_num_threads(), "thread") if device.type == "cpu" else str(device)


def precision(device: torch.device) -> str:
    """Return the precision of training on a device, in words."""
    return "bfloat16 autocast in both" if device.type == "cuda" else "float32 in both"


def _epoch(data: Encoded, batch_size: int, rng: np.random.Generator) -> list[Rows]:
    batches = bucketed(data.lengths, batch_size, rng)
    return sorted(batches, key=lambda rows: int(data.lengths[rows].max()))


def _each(step: Step, batches: list[Rows], device: torch.device) -> float:
    def run() -> None:
        for rows in batches:
            step(rows)

    return seconds(run, device) / sum(len(rows) for rows in batches)


def _cuda(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []
