"""All benchmarks on one teacher and one task."""

from sparsekd.bench import Row, ablation, distillation, methods, scores
from sparsekd.models import architectures
from sparsekd.stages.inputs import Splits, checkpoint, some
from sparsekd.tasks import TaskCard

LENGTH = 128
EXAMPLES = 2000  # training examples of the distillation benchmark
LAYERS = 3  # of the student, where the teacher has more


def measure(reference: str, card: TaskCard, only: str | None = None) -> list[Row]:
    """Rows of the benchmarks scores, masks, distillation, methods and ablation, or of one.

    The teacher's weights decide no time, so a checkpoint is taken as it is, not fine-tuned.
    """
    rows: list[Row] = []
    if only in (None, "masks"):
        rows.append(scores.masking())
    if only == "masks":
        return rows
    teacher, tokenizer = checkpoint(reference, card, seed=0)
    splits = Splits(card, tokenizer, LENGTH)
    layers = min(LAYERS, len(architectures.blocks(teacher)) - 1)
    if only in (None, "scores"):
        rows += scores.measure(teacher, splits[card.validation[0]], layers)
    if only in (None, "distillation"):
        data = some(splits["train"], EXAMPLES)
        rows += distillation.measure(teacher, data, card, layers)
    if only in (None, "ablation"):
        rows += ablation.measure(teacher, splits[card.validation[0]])
    if only in (None, "methods"):
        # Half the teacher's layers, so that every method finds pairs of layers to match.
        half = max(1, len(architectures.blocks(teacher)) // 2)
        rows += methods.measure(teacher, some(splits["train"], EXAMPLES), card, half)
    return rows
