"""The peak memory of small runs, compared with the estimate that is made before a launch."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from transformers import PreTrainedModel

from sparsekd import methods
from sparsekd.bench import Row
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import ScoreParams, StudentParams
from sparsekd.data import Encoded
from sparsekd.knowledge import scores
from sparsekd.knowledge.evaluation import predict
from sparsekd.models import architectures, students
from sparsekd.models.devices import move
from sparsekd.runs import peak_memory
from sparsekd.system import budgets
from sparsekd.tasks import TaskCard
from sparsekd.training import TrainingJob, train
from sparsekd.units import memory


@dataclass(frozen=True)
class Size:
    """The sizes of a BERT with random weights: peak memory does not depend on them."""

    name: str
    layers: int
    hidden: int
    heads: int
    neurons: int
    vocabulary: int
    student: int
    """Layers of its student."""


DEMO = Size("demo", 4, 128, 4, 256, 600, 1)
MINILM = Size("MiniLM", 12, 384, 12, 1536, 30522, 6)
BERT = Size("BERT-base", 12, 768, 12, 3072, 30522, 6)
SETTINGS = {
    "cpu": [(DEMO, 32, 64), (DEMO, 8, 32), (MINILM, 4, 32), (MINILM, 8, 128)],
    "elsewhere": [
        *[(DEMO, 32, 64), (DEMO, 256, 64), (MINILM, 32, 128)],
        *[(MINILM, 128, 128), (MINILM, 16, 512), (BERT, 32, 128)],
    ],
}


def measure(card: TaskCard, device: str) -> list[Row]:
    """Measure each kind of run at several sizes, batches and lengths; the ratio is estimate / peak.

    The peak is that of torch's allocator, from the moment the model is moved to the device.
    """
    kind = torch.device(device).type
    return [
        row
        for size, batch, length in SETTINGS.get(kind, SETTINGS["elsewhere"])
        for row in rows(card, device, size, batch, length)
    ]


def rows(card: TaskCard, device: str, size: Size, batch: int, length: int) -> Iterator[Row]:
    """Measure one size with one batch and length."""
    for name, estimate, work in _works(card, device, size, batch, length):
        peak = peak_bytes(work, device)
        mib = f"{estimate / 2**20:.0f} MiB estimated, {peak / 2**20:.0f} MiB at the peak"
        yield {
            "what": f"{name}: estimated / measured peak memory",
            "ratio": estimate / peak,
            "note": f"{size.name}, batch {batch}, {length} tokens, {device}: {mib}",
        }


def peak_bytes(work: Callable[[], object], device: str) -> int:
    """Return the most bytes that torch's allocator has handed out at once during `work`.

    On CUDA by the allocator's own count, else by the profiler's record of each allocation. What
    was allocated before counts on CUDA alone.
    """
    if torch.device(device).type == "cuda":
        torch.empty(1, device=device)  # there are no statistics before the first allocation
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return int(torch.cuda.max_memory_allocated(device))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    live = most = 0
    assert record.profiler is not None and record.profiler.kineto_results is not None
    for event in record.profiler.kineto_results.events():  # the averages leave most of these out
        if event.name() == "[memory]":
            live += event.nbytes()  # pyrefly: ignore[missing-attribute]  # not in the stub
            most = max(most, live)
    return most


def texts(size: Size, card: TaskCard, length: int, count: int) -> Encoded:
    """Return random texts of one length, with labels of the task."""
    rng = np.random.default_rng(0)
    ids = rng.integers(5, size.vocabulary, count * length, dtype=np.int32)
    labels = rng.integers(0, max(1, card.classes), count)
    if card.multilabel:
        labels = rng.integers(0, 2, (count, card.classes))
    return Encoded(
        ids,
        np.zeros(len(ids), dtype=np.int8),
        np.arange(count + 1) * length,
        labels.astype(np.int64 if card.kind == "classes" else np.float32),
    )


def build(size: Size, card: TaskCard) -> PreTrainedModel:
    """Return a BERT of this size, with dropout as usual."""
    return students.untrained(
        "bert",
        size.layers,
        size.hidden,
        size.heads,
        size.neurons,
        size.vocabulary,
        card.labels,
        card.kind,
        seed=0,
        positions=512,
    )


def _works(
    card: TaskCard, device: str, size: Size, batch: int, length: int
) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """Yield each kind of run with its estimate and its work."""
    kind = torch.device(device).type
    teacher = build(size, card)
    shape = architectures.shape(teacher)
    data = texts(size, card, length, 2 * batch)
    held_out = texts(size, card, length, max(2, budgets.tokens(kind) // length))
    answers = np.zeros((len(data), card.classes), dtype=np.float32)
    yield (
        "predict",
        memory.evaluation(shape, length, kind),
        lambda: predict(copy.deepcopy(teacher), held_out, device),
    )
    scored = texts(size, card, length, max(2, 2 * budgets.gradient_tokens(kind) // length))
    guess = np.zeros((len(scored), card.classes), dtype=np.float32)
    yield (
        "scores",
        memory.scoring(shape, length, kind),
        lambda: scores.stream(move(copy.deepcopy(teacher), device), scored, guess, ScoreParams()),
    )
    for name in ("fine_tuning", "vanilla", "internal"):
        method = METHODS[name]
        student = teacher
        if name != "fine_tuning":
            student = students.initial(teacher, StudentParams(layers=size.student), seed=0)
        own = architectures.shape(student)
        reads = peak_memory.reads(method, own.layers)
        estimate = memory.training(own, batch, length, kind, reads)
        if reads:
            extra = memory.cached(shape, len(data), length, kind, reads)
            fill = memory.observed(shape, length, kind, reads)
            estimate = max(estimate + memory.weights(shape), fill + memory.weights(own)) + extra

        def work(
            student: PreTrainedModel = student, name: str = name, count: int = method.least_teachers
        ) -> object:
            inner = methods.load(METHODS[name])(METHODS[name].params())
            job = TrainingJob(
                copy.deepcopy(student),
                inner,
                data,
                held_out,
                card,
                TrainParams(batch_size=batch, max_length=length, epochs=3),
                device=torch.device(device),
                teacher_logits=[answers] * count,
                teachers=[copy.deepcopy(teacher)] * count if inner.reads_layers else (),
            )
            return train(job)

        yield f"training by {name}", estimate, work
