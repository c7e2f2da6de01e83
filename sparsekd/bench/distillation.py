"""The time of a distillation step, compared with the plain loop and with the usual one."""

from statistics import median

import numpy as np
from transformers import PreTrainedModel

from sparsekd.bench import Row
from sparsekd.bench.peak import Peak
from sparsekd.bench.plain import WIDTH, PlainTraining
from sparsekd.bench.seconds import seconds
from sparsekd.bench.steps import in_turn, operations_each, our_step, precision, setting
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.data import Encoded
from sparsekd.knowledge.evaluation import predict
from sparsekd.methods.vanilla import Vanilla
from sparsekd.models import students
from sparsekd.tasks import TaskCard

EPOCHS = (1, 3, 10)


def measure(
    teacher: PreTrainedModel,
    data: Encoded,
    card: TaskCard,
    layers: int = 3,
    batch_size: int = 32,
    rounds: int = 5,
    peak: Peak | None = None,
) -> list[Row]:
    """Measure the time per example of three loops and of the teacher's one pass over the data.

    Every round takes steps of the plain loop (eager attention, teacher at every step,
    everything padded to 128 tokens), of the usual loop (fused attention, teacher at every
    step, padded to the batch's longest) and its share of one epoch of this product's loop, on the
    teacher's device and in one precision. Ratios are medians over the rounds.
    """
    device = teacher.device
    student = students.initial(teacher, StudentParams.of({"layers": layers}), seed=0)
    predict(teacher, data.select(np.arange(min(len(data), batch_size))), device)  # warm up
    logits = predict(teacher, data, device)
    teaching = seconds(lambda: predict(teacher, data, device), device) / len(data)
    params = TrainParams.of({"batch_size": batch_size})
    plain = PlainTraining(teacher, student, data, params, device, "eager", WIDTH)
    usual = PlainTraining(teacher, student, data, params, device, "sdpa", 0)
    ours = our_step(student, Vanilla(VanillaParams()), data, card, params, device, [logits])
    times = in_turn([plain.step, usual.step], ours, data, batch_size, rounds, device)
    words = setting(teacher, data, batch_size, f" → {layers}") + f", {precision(device)}"
    rows = _rows(times, teaching, words)
    if peak:
        counted = operations_each(ours, data, batch_size, device)
        rows[0]["share"] = peak.training_share(counted, median(each[2] for each in times))
    return rows


def _rows(times: list[tuple[float, ...]], teaching: float, words: str) -> list[Row]:
    plain, usual, ours = (median(column) for column in zip(*times, strict=True))
    return [
        {
            "what": "distillation step: plain loop / ours",
            "ratio": median(each[0] / each[2] for each in times),
            "note": f"teacher at every step, padded to {WIDTH}; {words}",
        },
        {
            "what": "distillation step: usual loop / ours",
            "ratio": median(each[1] / each[2] for each in times),
            "note": f"teacher at every step, padded to the batch; {words}",
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
