"""Other ways to do what this program does, each compared with the way that it takes.

A variant that wins on a device is a candidate for the default there. Ratios are ours / variant:
above 1, the variant is faster. One run on an H100 with the demo model, whose steps varied by a
third: CUDA graphs 14; scores with 4 × the tokens 1.6, which takes 4 × the memory; predictions with
4 × the tokens, or fetched at the end, 1.1; all others at most 1.1, below or within the noise.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from statistics import median
from typing import TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel

from sparsekd.bench import Row
from sparsekd.bench.passes import (
    PREDICTIONS,
    SCORES,
    Array,
    Predict,
    agreement,
    compiled_predictions,
    scored,
)
from sparsekd.bench.seconds import seconds
from sparsekd.bench.steps import place
from sparsekd.bench.variant_steps import (
    BATCH,
    STEPS,
    Build,
    Case,
    Rows,
    Step,
    compiled_step,
    epoch,
    our_own,
    recorded,
)
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.data import Encoded
from sparsekd.knowledge.evaluation import predict
from sparsekd.models import students
from sparsekd.tasks import TaskCard
from sparsekd.units.scores import Scores

Result = TypeVar("Result")
ROUNDS = 3
STEPS_EACH = 24  # of a round
SCORED = 512  # examples


def measure(
    teacher: PreTrainedModel, train: Encoded, validation: Encoded, card: TaskCard, layers: int
) -> Iterator[Row]:
    """Measure variants of training steps, of predictions and of scores."""
    yield from _training(teacher, train, card, layers, STEPS)
    yield from _predictions(teacher, validation, PREDICTIONS)
    yield from _scores(teacher, validation)
    # Last: after a failed recording a device may refuse all further work.
    yield from _training(teacher, train, card, layers, {"CUDA graphs": recorded})


def compiled(
    teacher: PreTrainedModel, train: Encoded, validation: Encoded, card: TaskCard, layers: int
) -> Iterator[Row]:
    """Measure predictions and training steps of compiled models; the notes say the first time."""
    yield from _predictions(teacher, validation, compiled_predictions())
    yield from _training(teacher, train, card, layers, {"compiled, dynamic shapes": compiled_step})


def _training(
    teacher: PreTrainedModel,
    data: Encoded,
    card: TaskCard,
    layers: int,
    builders: Mapping[str, Build],
) -> Iterator[Row]:
    """Measure distillation steps of batches of all lengths, ours and a variant's in turn."""
    device = teacher.device
    student = students.initial(teacher, StudentParams.of({"layers": layers}), seed=0)
    case = Case(student, data, card, predict(teacher, data, device), device)
    batches = epoch(data, BATCH)[:STEPS_EACH]
    note = (
        f"{len(batches)} steps, batch {BATCH}, {layers} layers, "
        f"{data.lengths.mean():.0f} tokens on average, {place(device)}"
    )
    ours = partial(_take, our_own(case), batches)
    ours()  # warm up
    for name, build in builders.items():
        made: list[Step] = []

        def variant(build: Build = build, made: list[Step] = made) -> None:
            if not made:
                made.append(build(case))
            _take(made[0], batches)

        def words(_: None, build: Build = build) -> str:
            return f"{_distance(our_own, build, case, batches)}; {note}"

        yield _compared(f"distillation step: ours / {name}", ours, variant, device, words)


def _take(step: Step, batches: list[Rows]) -> None:
    with torch.random.fork_rng(devices=[]):
        for rows in batches:
            step(rows)


def _distance(ours: Build, build: Build, case: Case, batches: list[Rows]) -> str:
    """Return in words how far two students trained by both on the same batches are apart."""
    first = [weight.detach().clone() for weight in case.student.parameters()]
    ends = []
    for made in (ours(case), build(case)):
        _take(made, batches)
        ends.append([weight.detach() for weight in made.training.job.model.parameters()])
    apart = sum(float((one - two).square().sum()) for one, two in zip(*ends, strict=True))
    moved = sum(float((one - two).square().sum()) for one, two in zip(ends[0], first, strict=True))
    return f"weights apart by {(apart / moved) ** 0.5:.1%} of their change"


def _predictions(
    teacher: PreTrainedModel, data: Encoded, ways: Mapping[str, Predict]
) -> Iterator[Row]:
    device = teacher.device
    expected = predict(teacher, data, device)

    def words(found: Array) -> str:
        same = float((found.argmax(1) == expected.argmax(1)).mean())
        return (
            f"logits equal to {np.abs(found - expected).max():.0e}, {same:.2%} of the classes; "
            f"{len(data)} texts, {place(device)}"
        )

    for name, way in ways.items():
        ours, variant = partial(predict, teacher, data, device), partial(way, teacher, data)
        yield _compared(f"predictions: ours / {name}", ours, variant, device, words)


def _scores(teacher: PreTrainedModel, data: Encoded) -> Iterator[Row]:
    device = teacher.device
    some = data.select(np.arange(min(len(data), SCORED)))
    known = predict(teacher, some, device)[::-1].copy()  # another model's answers
    ours = partial(scored, teacher, some, known)
    expected = ours()

    def words(found: Scores) -> str:
        return f"{agreement(expected, found)}; {len(some)} texts, {place(device)}"

    for name, way in SCORES.items():
        variant = partial(way, teacher, some, known)
        yield _compared(f"scores: ours / {name}", ours, variant, device, words)


def _compared(
    what: str,
    ours: Callable[[], object],
    variant: Callable[[], Result],
    device: torch.device,
    words: Callable[[Result], str],
) -> Row:
    """Measure both in turn after a first run of the variant; `words` describes its result.

    A variant that does not run here has no ratio, and says why.
    """
    found: list[Result] = []
    try:
        first = seconds(lambda: found.append(variant()), device)
    except Exception as error:  # noqa: BLE001 - whatever a kernel, a compiler or a driver raises
        reason = (str(error).strip().splitlines() or [""])[0]
        note = f"does not run here: {type(error).__name__}: {reason}"
        return {"what": what, "ratio": float("nan"), "note": note}
    own, other = [], []
    for _ in range(ROUNDS):
        own.append(seconds(ours, device))
        other.append(seconds(variant, device))
    return {
        "what": what,
        "ratio": median(one / two for one, two in zip(own, other, strict=True)),
        "note": f"{median(own) * 1e3:.1f} / {median(other) * 1e3:.1f} ms, first {first:.1f} s; "
        f"{words(found[0])}",
    }
