"""Whether a checkpoint is a finished classifier of a task, and which output is which label."""

from collections.abc import Sequence

from sparsekd.checkpoints.files import CONFIG
from sparsekd.checkpoints.inspection import Inspected
from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks import TaskCard
from sparsekd.tasks.cards import Kind

Names = Sequence[str]


def output_order(known: Names, own: Kind, labels: Names, kind: Kind) -> list[int] | None:
    """Return each label's output in a classifier; None where the labels or their kind differ.

    Where one side numbers its classes without names, an equal number of classes matches.

    Args:
        known: The classifier's labels in the order of its outputs; `own` is their kind.
    """
    if own != kind:
        return None
    if kind == "number":
        return [0]
    if is_assumed(known, labels):
        return list(range(len(known)))
    for form in (str, str.casefold):
        wanted, given = [form(label) for label in labels], [form(name) for name in known]
        if sorted(wanted) == sorted(given) and len(set(given)) == len(given):
            return [given.index(label) for label in wanted]
    return None


def is_assumed(known: Names, labels: Names) -> bool:
    """Return whether labels match by their numbers alone, as one side has no names."""
    numbers = range(len(known))
    nameless = {tuple(f"LABEL_{i}" for i in numbers), tuple(str(i) for i in numbers)}
    return len(labels) == len(known) and bool(nameless & {tuple(known), tuple(labels)})


def check(found: Inspected, card: TaskCard, label_order: Names = ()) -> None:
    """Refuse a checkpoint that is no finished classifier of a task's labels.

    Args:
        label_order: The labels of the outputs in their order, where they have no names.

    Raises:
        BadInput: it has no classifier, or one of another size than it says, or the order does not
            name the task's labels once each.
        Incompatible: it has other labels.
    """
    check_outputs(found)
    known, own = found.labels
    if label_order:
        known = ordered(known, label_order, card)
    if output_order(known, own, card.labels, card.kind) is None:
        raise other_labels(str(found.folder), known, own, card)


def check_outputs(found: Inspected) -> None:
    """Refuse a classifier that is missing, or of another size than its config.json says.

    Raises:
        BadInput: it is either.
    """
    known, own = found.labels
    said = 1 if own == "number" else len(known)
    if found.classifier_problem:
        raise BadInput(
            f"{found.folder} is not a finished classifier: it {found.classifier_problem}.",
            "Fine-tune the model first, or save it again.",
        )
    if found.outputs != said:
        raise BadInput(
            f"{found.folder / CONFIG} says {said} labels, the weights have {found.outputs} "
            "(num_labels, id2label).",
            "Name as many labels in id2label as the classifier has outputs, in their order.",
        )


def ordered(known: Names, label_order: Names, card: TaskCard) -> tuple[str, ...]:
    """Return the given labels as those of a classifier without names.

    Raises:
        BadInput: it has names, or they are not the task's labels once each.
    """
    if not is_assumed(known, card.labels):
        raise BadInput(
            f"A label order is for outputs without names; these are named {', '.join(known)}.",
            "Leave --label-order out.",
        )
    if sorted(label_order) != sorted(card.labels):
        raise BadInput(
            f"The label order {', '.join(label_order)} does not name each label of {card.name} "
            f"once: {', '.join(card.labels)}.",
            f"Write --label-order {','.join(card.labels)}, in the order of the outputs.",
        )
    return tuple(label_order)


def assumption(known: Names, card: TaskCard) -> str:
    """Return in words which order of labels is assumed; empty where names decide it."""
    if card.kind == "number" or tuple(known) == card.labels or not is_assumed(known, card.labels):
        return ""
    pairs = ", ".join(f"{name} = {label}" for name, label in zip(known, card.labels, strict=True))
    return (
        f"The model's outputs have no names in common with the task: they are taken for its "
        f"labels in their order, {pairs}. Another order: --label-order of evaluate, or of finetune "
        "with --epochs 0."
    )


def other_labels(name: str, known: Names, own: Kind, card: TaskCard) -> Incompatible:
    """Return the error for a classifier of other labels than a task's."""
    return Incompatible(
        f"The model {name} predicts {_words(known, own)}; {card.name} has "
        f"{_words(card.labels, card.kind)}.",
        "Choose a model that was fine-tuned on this task.",
    )


def _words(labels: Names, kind: Kind) -> str:
    """Return what a model predicts, or an example has, in words."""
    if kind == "number":
        return "a number"
    return ("any number of " if kind == "labels" else "") + ", ".join(labels)
