"""The time of each method's steps, compared with fine-tuning the same student on the same data."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd import methods
from sparsekd.bench import Row
from sparsekd.bench.seconds import seconds
from sparsekd.bench.steps import setting
from sparsekd.catalog.method_card import MethodCard
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.data import Encoded
from sparsekd.errors import SparseKDError
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.observe import reduced_last_layer
from sparsekd.models import students
from sparsekd.tasks import TaskCard
from sparsekd.training import TrainingJob
from sparsekd.training.step import TrainingStep
from sparsekd.training.trainer import Trainer

PLAIN = "fine_tuning"


def measure(
    teacher: PreTrainedModel,
    data: Encoded,
    card: TaskCard,
    layers: int = 2,
    batch_size: int = 32,
    batches: int = 8,
    epochs: int = 4,
) -> list[Row]:
    """Measure one short training by each method, step by step in turn with fine-tuning.

    Every method trains on the same batches in the same order, and passes through all its stages.
    The teachers' one pass over the data is not counted; what a method adds to a step (outputs of
    other examples, a policy's update) is. Training episodes are left out: they repeat the same.
    """
    some = data.select(np.arange(min(len(data), batches * batch_size)))
    logits = predict(teacher, some, teacher.device)
    student = students.initial(teacher, StudentParams.of({"layers": layers}), seed=0)
    params = TrainParams.of({"batch_size": batch_size, "epochs": epochs})
    note = setting(teacher, some, batch_size, f" → {layers}")
    timers: dict[str, StepTimer] = {}
    refused: list[Row] = []
    for name, method in METHODS.items():
        try:
            job = _job(student, teacher, method, some, card, params, logits)
            timers[name] = StepTimer(job)
        except SparseKDError as reason:
            nothing = float("nan")
            refused.append({"what": f"steps of {name}", "ratio": nothing, "note": str(reason)})
    spent = _in_turn(timers)
    return refused + [
        {
            "what": f"steps of {name} / steps of {PLAIN}",
            "ratio": sum(spent[name]) / sum(spent[PLAIN]),
            "note": f"{timers[name].words}{note}",
        }
        for name in timers
        if name != PLAIN
    ]


class StepTimer:
    """A student that is trained by one method, with its steps timed."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job
        step = TrainingStep(job)
        self.trainer = Trainer(step)
        self.trainer.state.step = self.trainer.training_steps * job.method.training_episodes
        self.words = _words(len(job.teacher_logits), step)

    def take_step(self) -> float:
        """Take the next step; return its seconds on the device of the student."""
        model = self.job.model
        with reduced_last_layer(model, self.job.method.student_needs):
            return seconds(self.trainer.take_step, model.device)


def _job(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    card: MethodCard,
    data: Encoded,
    task: TaskCard,
    params: TrainParams,
    logits: NDArray[np.float32],
) -> TrainingJob:
    method, count = methods.load(card)(card.params()), card.least_teachers
    return TrainingJob(
        model=copy.deepcopy(student).train(),
        method=method,
        data=data,
        selection=data,
        card=task,
        params=params,
        device=teacher.device,
        teacher_logits=[logits] * count,
        teachers=[teacher] * count if method.reads_layers else (),
    )


def _in_turn(timers: dict[str, StepTimer]) -> dict[str, list[float]]:
    """Return the seconds of every step but the first of each method, which warms up."""
    spent: dict[str, list[float]] = {name: [] for name in timers}
    with torch.random.fork_rng():
        for step in range(timers[PLAIN].trainer.training_steps):
            for name, timer in timers.items():
                seconds = timer.take_step()
                spent[name] += [seconds] if step else []
    return spent


def _words(teachers: int, step: TrainingStep) -> str:
    """Return the number of teachers and the size of their cached internal states."""
    size = sum(cache.bytes for cache in step.caches if cache.cached)
    cached = f", {size / 2**20:.1f} MiB of internal states cached" if size else ""
    return f"{teachers} teacher{'s' if teachers != 1 else ''}{cached}; "
