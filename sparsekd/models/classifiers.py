"""The classifier on top: kept where it answers the same question, new where it does not."""

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from sparsekd.errors import BadInput
from sparsekd.models import architectures
from sparsekd.models.pruning import resize


def fit_classifier(
    model: PreTrainedModel, labels: tuple[str, ...], regression: bool, seed: int, *, fresh: bool
) -> None:
    """Make the model answer with these labels; its classifier stays where it does already.

    Args:
        fresh: The classifier holds nothing learned and may be drawn anew.

    Raises:
        BadInput: a classification of fewer than two classes.
    """
    if not regression and len(set(labels)) < max(2, len(labels)):
        raise BadInput(
            f"{len(labels)} labels: {', '.join(labels) or 'none'}.",
            "A classification needs two or more different classes.",
        )
    order = None if fresh else answers(model.config, labels, regression)
    last = architectures.classifier(model)
    if order is None:
        _draw(last, 1 if regression else len(labels), float(model.config.initializer_range), seed)
    else:
        resize(last, last.weight[order], None if last.bias is None else last.bias[order])
    name_labels(model, labels, regression)


def labels_of(config: PretrainedConfig) -> tuple[tuple[str, ...], bool]:
    """The class names of a model in the order of their ids, and whether it is a regression."""
    names = tuple(str(config.id2label[number]) for number in range(config.num_labels))
    return ((), True) if config.num_labels == 1 else (names, False)


def name_labels(model: PreTrainedModel, labels: tuple[str, ...], regression: bool) -> None:
    """Write the labels into the model's configuration."""
    names = ("LABEL_0",) if regression else labels
    config = model.config
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
    config.problem_type = "regression" if regression else "single_label_classification"
    model.num_labels = len(names)


def answers(
    config: PretrainedConfig, labels: tuple[str, ...], regression: bool
) -> list[int] | None:
    """Which of the checkpoint's outputs answers each label; None where they do not answer them.

    Where one side names its classes by their numbers alone, as many classes are the same classes.
    """
    known, scalar = labels_of(config)
    if regression or scalar:
        return [0] if regression and scalar else None
    numbers = range(len(known))
    nameless = {tuple(f"LABEL_{i}" for i in numbers), tuple(str(i) for i in numbers)}
    if len(labels) == len(known) and nameless & {known, tuple(labels)}:
        return list(numbers)
    for form in (str, str.casefold):
        wanted, given = [form(label) for label in labels], [form(name) for name in known]
        if sorted(wanted) == sorted(given) and len(set(given)) == len(given):
            return [given.index(label) for label in wanted]
    return None


def _draw(last: nn.Linear, classes: int, spread: float, seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    weight = torch.empty(classes, last.in_features).normal_(0.0, spread, generator=drawn)
    like = last.weight
    resize(last, weight.to(like), torch.zeros(classes).to(like))
