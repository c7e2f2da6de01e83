"""The time of a distillation step, compared with the plain loop and with the usual one."""

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch.optim import AdamW
from transformers import PreTrainedModel

from sparsekd.bench import Row
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.data import Batch, Encoded, bucketed
from sparsekd.knowledge import observe
from sparsekd.knowledge.evaluation import predict
from sparsekd.methods.base import BatchOutputs, TrainingProgress
from sparsekd.methods.vanilla import Vanilla
from sparsekd.models import architectures, students
from sparsekd.models.gates import cls_only
from sparsekd.tasks import TaskCard
from sparsekd.training import TrainingJob
from sparsekd.training.step import TrainingStep

Rows = NDArray[np.int64]
WIDTH = 128  # tokens to which the plain loop pads
EPOCHS = (1, 3, 10)


def measure(
    teacher: PreTrainedModel,
    data: Encoded,
    card: TaskCard,
    layers: int = 3,
    batch_size: int = 32,
    rounds: int = 5,
) -> list[Row]:
    """Measure the time per example of three loops and of the teacher's one pass over the data.

    Every round takes one step of the plain loop (eager attention, teacher at every step,
    everything padded to 128 tokens), two of the usual loop (fused attention, teacher at every
    step, padded to the batch's longest) and its share of one epoch of this product's loop, on the
    processor. Ratios are medians over the rounds.
    """
    student = students.initial(teacher, StudentParams.of({"layers": layers}), seed=0)
    start = time.perf_counter()
    logits = predict(teacher, data)
    teaching = (time.perf_counter() - start) / len(data)
    params = TrainParams.of({"batch_size": batch_size})
    plain = TeacherEachStep(teacher, student, data, params, "eager", _width(teacher))
    usual = TeacherEachStep(teacher, student, data, params, "sdpa", 0)
    ours = _our_step(student, data, card, params, logits)
    times = _in_turn(plain.step, usual.step, ours, data, batch_size, rounds)
    return _rows(times, teaching, _setting(teacher, data, layers, batch_size))


class TeacherEachStep:
    """The loop without cached teacher logits: the teacher runs on every batch again.

    Args:
        width: Tokens to which every batch is padded; 0 = to its own longest.
    """

    def __init__(
        self,
        teacher: PreTrainedModel,
        student: PreTrainedModel,
        data: Encoded,
        params: TrainParams,
        attention: str,
        width: int,
    ) -> None:
        self.teacher, self.student = copy.deepcopy(teacher).eval(), copy.deepcopy(student).train()
        for model in (self.teacher, self.student):
            model.set_attn_implementation(attention)
        self.data, self.params, self.width = data, params, width
        self.method = Vanilla(VanillaParams.of({}))
        self.optimiser = AdamW(self.student.parameters(), lr=params.learning_rate)

    def step(self, rows: Rows) -> None:
        """Take one optimiser step.

        Shapes: rows (B,).
        """
        batch = widened(self.data.batch(rows), self.width)
        with torch.no_grad():
            taught = observe(self.teacher, batch)
        seen = BatchOutputs(
            observe(self.student, batch), (taught,), batch.labels, batch.attention_mask, rows
        )
        terms = self.method.loss(seen, TrainingProgress(0, 1, 0))
        self.optimiser.zero_grad()
        torch.autograd.backward((terms["soft"] + terms["hard"]).mean())
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.params.clip)
        self.optimiser.step()


def widened(batch: Batch, width: int) -> Batch:
    """Pad the batch to `width` tokens; leave a wider one as it is.

    Shapes: (B, T) -> (B, max(T, width)).
    """
    more = (0, max(0, width - batch.input_ids.shape[1]))
    return replace(
        batch,
        input_ids=F.pad(batch.input_ids, more),
        attention_mask=F.pad(batch.attention_mask, more),
        token_type_ids=F.pad(batch.token_type_ids, more),
    )


def _our_step(
    student: PreTrainedModel,
    data: Encoded,
    card: TaskCard,
    params: TrainParams,
    logits: NDArray[np.float32],
) -> Callable[[Rows], None]:
    model = copy.deepcopy(student).train()
    method = Vanilla(VanillaParams.of({}))
    job = TrainingJob(model, method, data, data, card, params, teacher_logits=[logits])
    training_step = TrainingStep(job)

    def step(rows: Rows) -> None:
        with cls_only(model):
            training_step.run(rows, TrainingProgress(0, 1, 0))

    return step


def _in_turn(
    plain: Callable[[Rows], None],
    usual: Callable[[Rows], None],
    ours: Callable[[Rows], None],
    data: Encoded,
    batch_size: int,
    rounds: int,
) -> list[tuple[float, float, float]]:
    """Return the seconds per example of the three by round, after one step of each to warm up."""
    rng = np.random.default_rng(0)
    epoch = sorted(bucketed(data.lengths, batch_size, rng), key=lambda r: data.lengths[r].max())
    rounds = min(rounds, len(epoch))
    times = []
    with torch.random.fork_rng(devices=[]):
        for step in (plain, usual, ours):
            step(epoch[len(epoch) // 2])
        for turn in range(rounds):
            drawn = [rng.choice(len(data), min(batch_size, len(data)), False) for _ in range(3)]
            # Every `rounds`-th batch of the sorted epoch: each round has batches of all lengths.
            share = epoch[turn::rounds]
            times.append((_each(plain, drawn[:1]), _each(usual, drawn[1:]), _each(ours, share)))
    return times


def _each(step: Callable[[Rows], None], batches: list[Rows]) -> float:
    start = time.perf_counter()
    for rows in batches:
        step(rows)
    return (time.perf_counter() - start) / sum(len(rows) for rows in batches)


def _rows(times: list[tuple[float, float, float]], teaching: float, setting: str) -> list[Row]:
    plain, usual, ours = (median(column) for column in zip(*times, strict=True))
    return [
        {
            "what": "distillation step: plain loop / ours",
            "ratio": median(each[0] / each[2] for each in times),
            "note": f"teacher at every step, padded to {WIDTH}; {setting}",
        },
        {
            "what": "distillation step: usual loop / ours",
            "ratio": median(each[1] / each[2] for each in times),
            "note": f"teacher at every step, padded to the batch; {setting}",
        },
        {
            "what": "the teacher's one pass / one epoch of ours",
            "ratio": teaching / ours,
            "note": "with it, "
            + "; ".join(
                f"over {epochs} epochs {plain / whole:.1f} × plain, {usual / whole:.1f} × usual"
                for epochs in EPOCHS
                for whole in (ours + teaching / epochs,)
            ),
        },
    ]


def _setting(teacher: PreTrainedModel, data: Encoded, layers: int, batch_size: int) -> str:
    depth = len(architectures.blocks(teacher))
    return (
        f"batch {batch_size}, {depth} → {layers} layers, {len(data)} texts of "
        f"{data.lengths.mean():.0f} tokens on average, {torch.get_num_threads()} threads"
    )


def _width(teacher: PreTrainedModel) -> int:
    """Return the width to which the plain loop pads, at most the model's maximum."""
    return min(WIDTH, architectures.max_tokens(teacher))
