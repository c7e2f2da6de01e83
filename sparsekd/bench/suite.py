"""All benchmarks on one teacher and one task."""

from sparsekd.bench import Row, ablation, distillation, methods, probe, scores, students
from sparsekd.bench.student_benchmark import Setting
from sparsekd.catalog.parameters import TrainParams
from sparsekd.models import architectures
from sparsekd.models.devices import available
from sparsekd.scheduler.executors.local import cores
from sparsekd.stages.inputs import Splits, load_pretrained, subsample
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS, DEMO_STUDENT

LENGTH = 128
EXAMPLES = 2000  # training examples of the distillation benchmark
LAYERS = 3  # of the student, where the teacher has more


def measure(reference: str, card: TaskCard, only: str | None = None) -> list[Row]:
    """Run the benchmarks scores, masks, distillation, methods, ablation and probe, or one of them.

    "students" takes minutes and every core, and runs only where it is named. The time does not
    depend on the teacher's weights, so a checkpoint is not fine-tuned first.
    """
    rows: list[Row] = []
    if only in (None, "masks"):
        rows.append(scores.masking())
    if only == "masks":
        return rows
    if only == "students":
        return _students(reference, card)
    teacher, tokenizer = load_pretrained(reference, card, seed=0)
    splits = Splits(card, tokenizer, LENGTH)
    layers = min(LAYERS, len(architectures.blocks(teacher)) - 1)
    if only in (None, "scores"):
        rows += scores.measure(teacher, splits[card.validation[0]], layers)
    if only in (None, "distillation"):
        data = subsample(splits["train"], EXAMPLES)
        rows += distillation.measure(teacher, data, card, layers)
    if only in (None, "ablation"):
        rows += ablation.measure(teacher, splits[card.validation[0]])
    if only in (None, "probe"):
        rows += probe.measure(teacher, splits[card.validation[0]])
    if only in (None, "methods"):
        # Half the teacher's layers, so that every method finds pairs of layers to match.
        half = max(1, len(architectures.blocks(teacher)) // 2)
        rows += methods.measure(teacher, subsample(splits["train"], EXAMPLES), card, half)
    return rows


def _students(reference: str, card: TaskCard) -> list[Row]:
    """Measure on the processor, and on a GPU where there is one; store the fastest layout."""
    devices = [device.name for device in available()]
    gpus = [name for name in devices if name.startswith("cuda")][:1]
    demo = reference in DEMO_CHECKPOINTS
    train = TrainParams.of(DEMO_STUDENT["train"] if demo else {"max_length": LENGTH})
    layers = DEMO_STUDENT["layers"] if demo else LAYERS
    rows: list[Row] = []
    for device in ("cpu", *gpus):
        setting = Setting(reference, card, layers, train, device, cores())
        rows += students.measure(setting, students.layouts(device, cores()))
    return rows
