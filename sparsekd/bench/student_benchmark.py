"""The process that trains students on demand for the benchmark of many students."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

import numpy as np
import torch
from transformers import PreTrainedModel

from sparsekd.bench.peak import operations
from sparsekd.bench.seconds import seconds
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.data import Encoded
from sparsekd.knowledge.observe import reduced_last_layer
from sparsekd.methods.vanilla import Vanilla
from sparsekd.models import students
from sparsekd.stages.inputs import Splits, load_pretrained
from sparsekd.tasks import TaskCard
from sparsekd.training import TrainingJob
from sparsekd.training.stacked import StackedTrainer
from sparsekd.training.step import TrainingStep
from sparsekd.training.trainer import Trainer

STEPS = 32  # of a measurement, divided among the students that are stacked
ENDLESS = 1000  # epochs: the training is timed, not finished


@dataclass(frozen=True)
class Setting:
    """Students with the bottom `layers` of a model, trained by vanilla distillation.

    `cores` are shared by the processes that run side by side; small students use one each.
    """

    reference: str
    card: TaskCard
    layers: int
    train: TrainParams
    device: str = "cpu"
    cores: int = 1


@dataclass(frozen=True)
class Sizes:
    """The columns of a student, the optimiser steps of its whole training, and a description.

    `operations` are those of the matrix products of one step.
    """

    width: int
    steps: int
    words: str
    operations: int


class StudentBenchmark:
    """Students of one setting, ready to take steps."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.source, tokenizer = load_pretrained(setting.reference, setting.card, seed=0)
        self.data: Encoded = Splits(setting.card, tokenizer, setting.train.max_length)["train"]
        shape = len(self.data), setting.card.classes
        # The time does not depend on the logits, so no teacher is needed.
        self.logits = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def sizes(self) -> Sizes:
        """Return the sizes of a student and of its training."""
        train, data = self.setting.train, self.data
        width = int(self.source.config.hidden_size)
        steps = -(-len(data) // train.batch_size) * train.epochs
        words = (
            f"{self.setting.layers} layers of {width} columns, {steps} steps of "
            f"{train.batch_size} texts of {data.lengths.mean():.0f} tokens on average, "
            f"{self.setting.device}"
        )
        return Sizes(width, steps, words, operations(self.take_step(1)))

    def student(self, seed: int) -> PreTrainedModel:
        """Return a student before its first step."""
        params = StudentParams(layers=self.setting.layers)
        student = students.initial(self.source, params, seed)
        student.train()
        return student

    def trainer(self, seed: int) -> Trainer:
        """Return the trainer of a new student, with its own order of the data."""
        job = TrainingJob(
            model=self.student(seed),
            method=Vanilla(VanillaParams()),
            data=self.data,
            selection=self.data,
            card=self.setting.card,
            params=self.setting.train.changed({"epochs": ENDLESS}),
            seed=seed,
            device=torch.device(self.setting.device),
            teacher_logits=[self.logits],
        )
        return Trainer(TrainingStep(job))

    def take_step(self, stacked: int) -> Callable[[], None]:
        """Return the function that takes the next step of so many new students."""
        trainers = {seed: self.trainer(seed) for seed in range(stacked)}
        if stacked == 1:
            return partial(_single_step, trainers[0])
        return partial(_stacked_step, StackedTrainer(trainers, stacked))

    def rate(self, take_step: Callable[[], None], stacked: int) -> float:
        """Return the steps of one student per second."""
        steps = max(2, STEPS // stacked)

        def run() -> None:
            for _ in range(steps):
                take_step()

        return steps * stacked / seconds(run, torch.device(self.setting.device))


def serve(requests: Connection, setting: Setting) -> None:
    """Send the sizes, then measure the rate of each requested stack until the pipe is closed."""
    benchmark = StudentBenchmark(setting)
    requests.send(benchmark.sizes())
    while True:
        try:
            stacked, threads = requests.recv()
        except EOFError:
            return
        torch.set_num_threads(threads)
        take_step = benchmark.take_step(stacked)
        take_step()
        requests.send(0.0)
        requests.recv()
        requests.send(benchmark.rate(take_step, stacked))


def _single_step(trainer: Trainer) -> None:
    with reduced_last_layer(trainer.job.model, {}):
        trainer.take_step()


def _stacked_step(trainer: StackedTrainer) -> None:
    trainer.take_step()
