"""What each method's steps cost, against fine-tuning the same student on the same batches."""

import copy
import time

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd import methods
from sparsekd.bench import Row
from sparsekd.catalog.card import Card
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.data import Encoded
from sparsekd.errors import SparseKDError
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.observe import reduced_last_layer
from sparsekd.models import architectures, students
from sparsekd.tasks import TaskCard
from sparsekd.training.step import Lesson
from sparsekd.training.trainer import Course

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
    """Time of one short course by each method, step by step in turn with fine-tuning's.

    Every method sees the same batches in the same order, and goes through all its stages. The
    teachers' one pass over the data comes before; what a method asks for on the way (a review of
    examples, a policy's update) is part of its steps. Training episodes would repeat the course.
    """
    some = data.select(np.arange(min(len(data), batches * batch_size)))
    logits = predict(teacher, some)
    student = students.initial(teacher, StudentParams.of({"layers": layers}), seed=0)
    params = TrainParams.of({"batch_size": batch_size, "epochs": epochs})
    note = _setting(teacher, some, layers, batch_size)
    learners: dict[str, _Learner] = {}
    refused: list[Row] = []
    for name, method in METHODS.items():
        try:
            learners[name] = _Learner(student, teacher, method, some, card, params, logits)
        except SparseKDError as reason:
            nothing = float("nan")
            refused.append({"what": f"steps of {name}", "ratio": nothing, "note": str(reason)})
    spent = _in_turn(learners)
    return refused + [
        {
            "what": f"steps of {name} / steps of {PLAIN}",
            "ratio": sum(spent[name]) / sum(spent[PLAIN]),
            "note": f"{learners[name].words}{note}",
        }
        for name in learners
        if name != PLAIN
    ]


class _Learner:
    """A student of its own that one method teaches."""

    def __init__(
        self,
        student: PreTrainedModel,
        teacher: PreTrainedModel,
        card: Card,
        data: Encoded,
        task: TaskCard,
        params: TrainParams,
        logits: NDArray[np.float32],
    ) -> None:
        count = card.least_teachers
        self.student = copy.deepcopy(student).train()
        self.method = methods.load(card)(card.params())
        lesson = Lesson(
            self.student,
            self.method,
            data,
            task,
            params,
            teacher_logits=[logits] * count,
            teachers=[teacher] * count if self.method.reads_layers else (),
            selection_rows=len(data),
        )
        self.course = Course(lesson, data, task)
        self.course.now.step = self.course.length * self.method.training_episodes
        self.words = _words(count, lesson)

    def step(self) -> float:
        """Seconds that the next step takes, on the device that the student is on."""
        with reduced_last_layer(self.student, self.method.student_needs):
            start = time.perf_counter()
            self.course.step()
            if self.student.device.type == "cuda":
                torch.cuda.synchronize()
            return time.perf_counter() - start


def _in_turn(learners: dict[str, _Learner]) -> dict[str, list[float]]:
    """Seconds of every step; each learner's first one warms up and is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in learners}
    with torch.random.fork_rng():
        for place in range(learners[PLAIN].course.length):
            for name, learner in learners.items():
                seconds = learner.step()
                spent[name] += [seconds] if place else []
    return spent


def _words(count: int, lesson: Lesson) -> str:
    """How many teachers there are and what is kept of them beyond their answers."""
    kept = sum(recall.bytes for recall in lesson.recalls if recall.kept)
    inner = f", {kept / 2**20:.1f} MiB of inner states kept" if kept else ""
    return f"{count} teacher{'s' if count != 1 else ''}{inner}; "


def _setting(teacher: PreTrainedModel, data: Encoded, layers: int, batch_size: int) -> str:
    depth = len(architectures.blocks(teacher))
    return (
        f"batch {batch_size}, {depth} → {layers} layers, {len(data)} texts of "
        f"{data.lengths.mean():.0f} tokens on average, {torch.get_num_threads()} threads"
    )
