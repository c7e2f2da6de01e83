"""All benchmarks on one teacher, one task and one device."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch
from transformers import PreTrainedModel

from sparsekd.bench import (
    Bench,
    Row,
    ablation,
    answering,
    distillation,
    finetuning,
    memory,
    methods,
    peak,
    prediction,
    probe,
    scores,
    students,
    variants,
)
from sparsekd.bench.student_benchmark import Setting
from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Encoded
from sparsekd.models import architectures
from sparsekd.models.devices import move
from sparsekd.scheduler.executors.local import cores
from sparsekd.stages.inputs import Splits, load_pretrained, subsample
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS, DEMO_STUDENT

LENGTH = 128
EXAMPLES = 2000  # training examples of the distillation benchmark
LAYERS = 3  # of the student, where the teacher has more


def measure(
    reference: str, card: TaskCard, only: Bench | None = None, device: str = "cpu"
) -> Iterator[Row]:
    """Run the benchmarks, or one of them, on a device; yield the rows as they are measured.

    On a CPU "students" takes minutes and every core, and runs only where it is named, as do
    "memory", which measures no time, and "variants" and "compiled", which compare what this
    program does not do. Elsewhere "predict" does, which mostly waits for processes to start. The
    time does not depend on the teacher's weights, so a checkpoint is not fine-tuned first.
    """
    setup = _Setup(reference, card, torch.device(device))
    left_out = {"variants", "compiled", "memory", "students" if device == "cpu" else "predict"}
    for name in [only] if only else [name for name in _BENCHES if name not in left_out]:
        yield from _BENCHES[name](setup)


@dataclass(frozen=True)
class _Setup:
    """What the benchmarks run on, loaded when the first of them needs it."""

    reference: str
    card: TaskCard
    device: torch.device

    @cached_property
    def peak(self) -> peak.Peak:
        return peak.measure(self.device)

    @cached_property
    def loaded(self) -> tuple[PreTrainedModel, Splits]:
        teacher, tokenizer = load_pretrained(self.reference, self.card, seed=0)
        return move(teacher, self.device), Splits(self.card, tokenizer, LENGTH)

    @property
    def teacher(self) -> PreTrainedModel:
        return self.loaded[0]

    @cached_property
    def validation(self) -> Encoded:
        return self.loaded[1][self.card.validation[0]]

    @cached_property
    def train(self) -> Encoded:
        return subsample(self.loaded[1]["train"], EXAMPLES)

    @property
    def texts(self) -> pd.DataFrame:
        return self.loaded[1].frames["train"].drop(columns="label")

    @property
    def depth(self) -> int:
        return len(architectures.blocks(self.teacher))

    @property
    def layers(self) -> int:
        return min(LAYERS, self.depth - 1)


def _students(setup: _Setup) -> list[Row]:
    """Measure students per hour; store the fastest layout."""
    demo = setup.reference in DEMO_CHECKPOINTS
    train = TrainParams.of(DEMO_STUDENT["train"] if demo else {"max_length": LENGTH})
    layers = DEMO_STUDENT["layers"] if demo else LAYERS
    name = str(setup.device)
    setting = Setting(setup.reference, setup.card, layers, train, name, cores())
    return students.measure(setting, students.layouts(name, cores()), peak=setup.peak)


_BENCHES: Mapping[Bench, Callable[[_Setup], list[Row] | Iterator[Row]]] = {
    "peak": lambda s: s.peak.rows(),
    "masks": lambda s: [scores.masking()],
    "scores": lambda s: scores.measure(s.teacher, s.validation, s.layers, peak=s.peak),
    "predictions": lambda s: prediction.measure(s.teacher, s.validation, peak=s.peak),
    "finetuning": lambda s: finetuning.measure(s.teacher, s.train, s.card, peak=s.peak),
    "distillation": lambda s: distillation.measure(
        s.teacher, s.train, s.card, s.layers, peak=s.peak
    ),
    "ablation": lambda s: ablation.measure(s.teacher, s.validation, peak=s.peak),
    "probe": lambda s: probe.measure(s.teacher, s.validation, peak=s.peak),
    # Half the teacher's layers, so that every method finds pairs of layers to match.
    "methods": lambda s: methods.measure(s.teacher, s.train, s.card, max(1, s.depth // 2)),
    "students": _students,
    "predict": lambda s: answering.measure(s.teacher, s.loaded[1].tokenizer, s.texts, LENGTH),
    "memory": lambda s: memory.measure(s.card, str(s.device)),
    "variants": lambda s: variants.measure(s.teacher, s.train, s.validation, s.card, s.layers),
    "compiled": lambda s: variants.compiled(s.teacher, s.train, s.validation, s.card, s.layers),
}
