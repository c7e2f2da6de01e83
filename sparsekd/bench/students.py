"""Students per hour: one by one, several as one stack, and several processes side by side."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from sparsekd.bench import Row
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.data import Encoded
from sparsekd.errors import Unavailable
from sparsekd.knowledge.observe import reduced_last_layer
from sparsekd.methods.vanilla import Vanilla
from sparsekd.models import students
from sparsekd.runs import stacking
from sparsekd.runs.stacking import Fastest
from sparsekd.stages.context import SMALL
from sparsekd.stages.inputs import Splits, load_pretrained
from sparsekd.tasks import TaskCard
from sparsekd.training.stacked import Crew
from sparsekd.training.step import Lesson
from sparsekd.training.trainer import Course

WORK = 32  # steps of a measurement, shared by the students that train together
NEAR = 0.95
PATIENCE = 600.0  # seconds until a process that says nothing is given up
Way = tuple[int, int]
"""Processes side by side, and students together in each."""


@dataclass(frozen=True)
class Setting:
    """Students with the bottom `layers` of a model, trained by vanilla distillation.

    `cores` are shared by the processes that work side by side; small students use one each.
    """

    reference: str
    card: TaskCard
    layers: int
    train: TrainParams
    device: str = "cpu"
    cores: int = 1


@dataclass(frozen=True)
class Sizes:
    """What a process says of what it trains: columns, optimiser steps of a whole student."""

    width: int
    steps: int
    words: str


def ways(device: str, cores: int) -> list[Way]:
    """What is tried on a device; one by one in one process comes first."""
    if device == "cpu":
        return [(slots, many) for slots in sorted({1, cores}) for many in (1, 2, 4, 8)]
    return [(slots, many) for slots in (1, 2, 4) for many in (1, 2, 4, 8, 16, 32)]


def measure(setting: Setting, tried: Sequence[Way], rounds: int = 3) -> list[Row]:
    """Every way in turn, round by round; ratios to the first way are medians over the rounds.

    Only optimiser steps are timed: loading, evaluation and delivery come on top. The fastest way
    is remembered for this device and for students up to this width.

    Raises:
        Unavailable: a process has died, for want of memory perhaps.
    """
    with _at_work(setting, max(slots for slots, _ in tried)) as workers:
        sizes: Sizes = [_heard(worker) for worker in workers][-1]
        rates: dict[Way, list[float]] = {way: [] for way in tried}
        for _ in range(rounds):
            for way in tried:
                rates[way].append(_rate(workers[: way[0]], way, setting, sizes))
    hourly = {way: median(found) * 3600 / sizes.steps for way, found in rates.items()}
    best = fastest(hourly)
    words = sizes.words + _busy()
    told = {_name(way): round(value, 1) for way, value in hourly.items()}
    stacking.remember(setting.device, Fastest(*best, told, sizes.width))
    return [
        {
            "what": f"students: {_name(way)} / {_name(tried[0])} (processes × together)",
            "ratio": median(np.divide(found, rates[tried[0]]).tolist()),
            "note": f"{hourly[way]:.0f} an hour{' (remembered)' * (way == best)}; {words}",
        }
        for way, found in rates.items()
    ]


def fastest(hourly: Mapping[Way, float]) -> Way:
    """The way with the fewest students together among those within 5 % of the fastest.

    A small group loses less where it is killed, and a busy machine measures no better than that.
    """
    good = [way for way in hourly if hourly[way] >= NEAR * max(hourly.values())]
    return min(good, key=lambda way: (way[1], -hourly[way]))


def _name(way: Way) -> str:
    return f"{way[0]} × {way[1]}"


def _busy() -> str:
    """A warning where more processes wanted a core, in the last minute, than there are cores."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return f"; the machine was busy (load {load:.1f})" if load > (os.cpu_count() or 1) + 1 else ""


def _rate(workers: list[Connection], way: Way, setting: Setting, sizes: Sizes) -> float:
    """Steps of one student per second, in all processes together."""
    slots, many = way
    threads = 1 if sizes.width < SMALL else max(1, setting.cores // slots)
    for worker in workers:
        worker.send((many, threads))
    for worker in workers:  # all have built their students before any begins
        _heard(worker)
    for worker in workers:
        worker.send("go")
    rates: list[float] = [_heard(worker) for worker in workers]
    return sum(rates)


@contextmanager
def _at_work(setting: Setting, count: int) -> Iterator[list[Connection]]:
    """Processes that train on demand; they end with the block."""
    context = get_context("spawn")  # a CUDA device cannot be used after a fork
    pairs = [context.Pipe() for _ in range(count)]
    processes = [context.Process(target=_serve, args=(end, setting)) for _, end in pairs]
    for process, (_, end) in zip(processes, pairs, strict=True):
        process.start()
        end.close()
    try:
        yield [mine for mine, _ in pairs]
    finally:
        for mine, _ in pairs:
            mine.close()
        for process in processes:
            process.join(PATIENCE)


def _heard(worker: Connection) -> Any:
    """What a process says next."""
    hint = "Its message is above; where memory ran out, take a smaller teacher."
    try:
        if worker.poll(PATIENCE):
            return worker.recv()
    except (EOFError, OSError) as error:
        raise Unavailable("A process of the bench has died.", hint) from error
    raise Unavailable(f"A process of the bench says nothing for {PATIENCE:.0f} seconds.", hint)


# --- in a process of its own ------------------------------------------------------------------


def _serve(orders: Connection, setting: Setting) -> None:
    """Say what there is to train, then train as ordered until nobody orders any more."""
    bench = Bench(setting)
    orders.send(bench.sizes())
    while True:
        try:
            many, threads = orders.recv()
        except EOFError:
            return
        torch.set_num_threads(threads)
        advance = bench.lesson(many)
        advance()
        orders.send(0.0)
        orders.recv()
        orders.send(bench.rate(advance, many))


class Bench:
    """Students of one setting, ready to take steps."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.source, tokenizer = load_pretrained(setting.reference, setting.card, seed=0)
        self.data: Encoded = Splits(setting.card, tokenizer, setting.train.max_length)["train"]
        shape = len(self.data), setting.card.classes
        # No teacher is needed to tell the time: any answers take as long.
        self.logits = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def sizes(self) -> Sizes:
        """What is trained, in numbers and in words."""
        train, data = self.setting.train, self.data
        width = int(self.source.config.hidden_size)
        steps = -(-len(data) // train.batch_size) * train.epochs
        words = (
            f"{self.setting.layers} layers of {width} columns, {steps} steps of "
            f"{train.batch_size} texts of {data.lengths.mean():.0f} tokens on average, "
            f"{self.setting.device}"
        )
        return Sizes(width, steps, words)

    def student(self, seed: int) -> PreTrainedModel:
        """A student before its first step."""
        params = StudentParams(layers=self.setting.layers)
        return students.initial(self.source, params, seed).train()

    def course(self, seed: int) -> Course:
        """A student's training, with its own order of the data."""
        setting, method = self.setting, Vanilla(VanillaParams())
        endless = setting.train.changed({"epochs": 1000})  # it is timed, not ended
        lesson = Lesson(
            self.student(seed), method, self.data, setting.card, endless, seed,
            setting.device, [self.logits],
        )  # fmt: skip
        return Course(lesson, self.data, setting.card)

    def lesson(self, many: int) -> "partial[None]":
        """What takes the next step of so many students."""
        courses = {seed: self.course(seed) for seed in range(many)}
        if many == 1:
            return partial(_alone, courses[0])
        return partial(_all, Crew(courses, many))

    def rate(self, advance: "partial[None]", many: int) -> float:
        """Steps of one student per second."""
        steps = max(2, WORK // many)
        start = time.perf_counter()
        for _ in range(steps):
            advance()
        if self.setting.device.startswith("cuda"):
            torch.cuda.synchronize(self.setting.device)
        return steps * many / (time.perf_counter() - start)


def _alone(course: Course) -> None:
    with reduced_last_layer(course.lesson.model, {}):
        course.step()


def _all(crew: Crew) -> None:
    crew.step()
