"""The time of scores, compared with the teacher's forward pass and with the plain loop."""

from collections.abc import Callable
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd.bench import Row
from sparsekd.bench.peak import Peak, operations
from sparsekd.bench.plain import WIDTH, widened
from sparsekd.bench.seconds import seconds
from sparsekd.bench.steps import place
from sparsekd.catalog.stage_parameters import ScoreParams, StudentParams
from sparsekd.data import Encoded
from sparsekd.knowledge import scores
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.models import architectures, students
from sparsekd.models.gates import Gates, gated
from sparsekd.units.jacobians import Jacobian, directions
from sparsekd.units.masking import decide, knowledgeableness
from sparsekd.units.rescoring import rescore
from sparsekd.units.scores import Scores

Array = NDArray[np.float32]
CPU = torch.device("cpu")  # masks and rescoring are numpy
PLAIN = 32  # examples of the plain loop in each round: it is slow


def measure(
    teacher: PreTrainedModel,
    data: Encoded,
    layers: int = 3,
    rounds: int = 5,
    peak: Peak | None = None,
) -> list[Row]:
    """Measure the time per example of scoring and its baselines in turn; ratios are medians.

    Each round takes its share of the data, all lengths alike, and runs on it the teacher's
    forward pass, scores with and without the student's forward pass, and the Jacobian; and the
    plain loop on a part of that share; all in float32, on the teacher's device.
    """
    student = students.initial(teacher, StudentParams.of({"layers": layers}), seed=0)
    known = predict(student, data, teacher.device)
    order = np.argsort(data.lengths, kind="stable")
    rounds = min(rounds, len(data))
    _round(teacher, student, data.select(order[:: max(len(order) // PLAIN, 1)]))  # warm up
    times = [_round(teacher, student, data.select(order[turn::rounds])) for turn in range(rounds)]
    note = (
        f"{len(data)} texts of {data.lengths.mean():.0f} tokens on average, "
        f"{len(architectures.blocks(teacher))} layers, {data.lengths.max()} tokens at most, "
        f"student of {layers}, {place(teacher.device)}"
    )
    rows = [
        _row(times, "scores, student known / teacher's forward pass", "known", "forward", note),
        _row(times, "scores with the student / teacher's forward pass", "both", "forward", note),
        _row(times, "Jacobian / teacher's forward pass", "jacobian", "forward", note),
        _row(times, "plain loop / scores with the student", "plain", "both", f"padded to {WIDTH}"),
        _row(
            times, "plain loop / teacher's forward pass", "plain", "forward", f"padded to {WIDTH}"
        ),
        _rescoring(teacher, student, data, times),
    ]
    if peak:
        for row, name in zip(rows, ("known", "both", "jacobian"), strict=False):
            run = _variants(teacher, student, data, known)[name]
            each = median(spent[name] for spent in times)
            row["share"] = peak.share(operations(run) / len(data), each)
    return rows


def masking(repeats: int = 30) -> Row:
    """Measure a mask from scores of 12 × 12 heads and 12 × 3072 neurons, as a share of 10 ms."""
    draws = np.random.default_rng(0)
    heads, neurons = draws.random((2, 12, 12)), draws.random((2, 12, 3072))
    made = Scores(*heads, *neurons)
    spent = median(
        seconds(lambda: decide(*knowledgeableness(made, 0.5), 0.3), CPU) for _ in range(repeats)
    )
    note = f"{spent * 1e3:.2f} ms for 12 × 12 heads and 12 × 3072 neurons"
    return {"what": "a mask from scores / 10 ms", "ratio": spent / 0.01, "note": note}


def _round(teacher: PreTrainedModel, student: PreTrainedModel, data: Encoded) -> dict[str, float]:
    """Return the seconds per example of each variant, measured once."""
    known = predict(student, data, teacher.device)
    few = data.select(np.arange(0, len(data), max(len(data) // PLAIN, 1)))
    variants = _variants(teacher, student, data, known)
    spent = {name: seconds(run, teacher.device) / len(data) for name, run in variants.items()}
    plain = seconds(lambda: _plain(teacher, student, few), teacher.device)
    return spent | {"plain": plain / len(few)}


def _variants(
    teacher: PreTrainedModel, student: PreTrainedModel, data: Encoded, known: Array
) -> dict[str, Callable[[], object]]:
    """Return what is measured on some examples, by name; `known` are the student's logits."""
    params = ScoreParams()
    units = sum(count * width for count, width in _sizes(teacher))
    into = np.zeros((len(data), directions(known.shape[1]), units), dtype=np.float32)
    return {
        "forward": lambda: _forward(teacher, data),
        "known": lambda: scores.stream(teacher, data, known, params),
        "both": lambda: scores.stream(
            teacher, data, predict(student, data, teacher.device), params
        ),
        "jacobian": lambda: scores.jacobian(teacher, data, into),
    }


def _sizes(teacher: PreTrainedModel) -> list[tuple[int, int]]:
    layers, heads, neurons = architectures.shape(teacher).grid()
    return [(layers, heads), (layers, neurons)]


def _forward(model: PreTrainedModel, data: Encoded) -> None:
    """Run the model's forward pass over the batches of scoring."""
    with torch.no_grad():
        for rows in PassOptions().batches(data.lengths, 1, model.device):
            batch = data.batch(rows, model.device)
            model(**batch.inputs(model))


def _plain(teacher: PreTrainedModel, student: PreTrainedModel, data: Encoded) -> None:
    """Score with the straightforward loop: gradients of all weights, two backward passes."""
    width = min(WIDTH, architectures.max_tokens(teacher))
    for start in range(0, len(data), PLAIN):
        rows = np.arange(start, min(start + PLAIN, len(data)))
        batch = widened(data.batch(rows, teacher.device), width)
        with torch.no_grad():
            learned = student(**batch.inputs(student)).logits
        for loss in (_task, _soft):
            gates = Gates.open(teacher)
            gates.heads.requires_grad_()
            gates.neurons.requires_grad_()
            with gated(teacher, gates):
                logits = teacher(**batch.inputs(teacher)).logits
            torch.autograd.backward(loss(logits, learned, batch.labels))
            teacher.zero_grad()


def _task(logits: torch.Tensor, _learned: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    if logits.shape[1] == 1:
        return F.mse_loss(logits[:, 0], labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def _soft(logits: torch.Tensor, learned: torch.Tensor, _labels: torch.Tensor) -> torch.Tensor:
    if logits.shape[1] == 1:
        return F.mse_loss(logits, learned) / 2
    return 2 * F.cross_entropy(learned / 2, torch.softmax(logits / 2, dim=1))


def _rescoring(
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    data: Encoded,
    times: list[dict[str, float]],
    repeats: int = 9,
) -> Row:
    grid = architectures.shape(teacher).grid()
    known = predict(student, data, teacher.device)
    units = sum(count * width for count, width in _sizes(teacher))
    values = np.random.default_rng(0).random(
        (len(data), directions(known.shape[1]), units), dtype=np.float32
    )
    found = Jacobian(values, known, data.labels, grid)
    spent = median(
        seconds(lambda: rescore(found, known, ScoreParams()), CPU) for _ in range(repeats)
    )
    forward = len(data) * median(each["forward"] for each in times)
    note = f"{spent * 1e3:.1f} ms for {len(data)} texts × {units} units, student's logits known"
    what = "rescoring from a Jacobian / teacher's forward pass"
    return {"what": what, "ratio": spent / forward, "note": note}


def _row(times: list[dict[str, float]], what: str, one: str, other: str, note: str) -> Row:
    return {"what": what, "ratio": median(each[one] / each[other] for each in times), "note": note}
