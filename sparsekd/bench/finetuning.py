"""The time of a fine-tuning step, compared with the plain loop and with the usual one."""

from statistics import median

from transformers import PreTrainedModel

from sparsekd.bench import Row
from sparsekd.bench.peak import Peak
from sparsekd.bench.plain import WIDTH, PlainTraining
from sparsekd.bench.steps import in_turn, operations_each, our_step, precision, setting
from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Encoded
from sparsekd.methods.fine_tuning import FineTuning
from sparsekd.tasks import TaskCard


def measure(
    teacher: PreTrainedModel,
    data: Encoded,
    card: TaskCard,
    batch_size: int = 32,
    rounds: int = 5,
    peak: Peak | None = None,
) -> list[Row]:
    """Measure the time per example of fine-tuning the teacher by three loops, in one precision.

    The loops are those of the distillation benchmark, without a teacher.
    """
    device, params = teacher.device, TrainParams.of({"batch_size": batch_size})
    plain = PlainTraining(None, teacher, data, params, device, "eager", WIDTH)
    usual = PlainTraining(None, teacher, data, params, device, "sdpa", 0)
    ours = our_step(teacher, FineTuning(FineTuningParams()), data, card, params, device)
    times = in_turn([plain.step, usual.step], ours, data, batch_size, rounds, device)
    words = f"{setting(teacher, data, batch_size)}, {precision(device)}"
    rows: list[Row] = [
        {
            "what": f"fine-tuning step: {name} loop / ours",
            "ratio": median(each[index] / each[2] for each in times),
            "note": f"padded to {padded}; {words}",
        }
        for index, (name, padded) in enumerate((("plain", str(WIDTH)), ("usual", "the batch")))
    ]
    if peak:
        counted = operations_each(ours, data, batch_size, device)
        rows[0]["share"] = peak.training_share(counted, median(each[2] for each in times))
    return rows
