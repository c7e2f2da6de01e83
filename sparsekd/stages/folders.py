"""Evaluation and pruning of a model without a run, for the commands `evaluate` and `prune`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sparsekd.data import encode, load_split
from sparsekd.knowledge.evaluation import OnProgress, evaluate, no_progress
from sparsekd.models import architectures, loading
from sparsekd.models.pruning import prune
from sparsekd.runs.outputs import Outputs
from sparsekd.stages.inputs import Splits, check_data, load_classifier
from sparsekd.stages.prune import counts
from sparsekd.tasks import TaskCard
from sparsekd.tasks.files import TEST
from sparsekd.units.masking import Mask


def evaluate_model(
    reference: str,
    card: TaskCard,
    split: str,
    max_length: int,
    device: str,
    report: OnProgress = no_progress,
    label_order: Sequence[str] = (),
) -> tuple[dict[str, float], Outputs]:
    """Return a classifier's metrics and loss on one split, and its logits with the labels.

    Args:
        label_order: The labels of its outputs in their order, where they have no names.

    Shapes: logits (N, C), labels (N,).
    """
    model, tokenizer = load_classifier(reference, card, label_order)
    if split in card.validation or not split.startswith(TEST):
        data = Splits(card, tokenizer, max_length)[split]
    else:  # a file that may change at any time: its tokens are not kept
        data = encode(load_split(card, split), tokenizer, max_length)
    check_data(model, data)
    metrics, logits = evaluate(model, data, card, device, report)
    return metrics, (logits, data.labels)


def prune_model(folder: Path, mask: Mask, out: Path) -> dict[str, Any]:
    """Write the physically pruned model to a folder; return the counts of the kept units.

    Raises:
        Incompatible: the mask belongs to a model of another shape.
    """
    model, tokenizer = loading.load_saved(folder)
    smaller = prune(model, mask)
    loading.save(smaller, tokenizer, out)
    facts = {"parameters": _parameters(smaller), "parameters_before": _parameters(model)}
    return facts | counts(mask) | {"architecture": architectures.of(model).name}


def _parameters(model: Any) -> int:
    return sum(weight.numel() for weight in model.parameters())
