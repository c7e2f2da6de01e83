"""The classifier on top: kept where its labels are the task's, replaced where they differ."""

from typing import Literal

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from sparsekd.checkpoints import classifier
from sparsekd.errors import BadInput
from sparsekd.models import architectures
from sparsekd.models.pruning import resize
from sparsekd.tasks.cards import Kind

ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
PROBLEM_TYPES: dict[Kind, ProblemType] = {
    "classes": "single_label_classification",
    "labels": "multi_label_classification",
    "number": "regression",
}
"""The names that transformers has for the kinds of label."""


def fit_classifier(
    model: PreTrainedModel, labels: tuple[str, ...], kind: Kind, seed: int, *, fresh: bool
) -> None:
    """Fit the classifier to these labels: keep or reorder its outputs, or draw a new one.

    Args:
        fresh: The classifier is untrained and is drawn anew.

    Raises:
        BadInput: a classification of fewer than two classes.
    """
    if kind != "number" and len(set(labels)) < max(2, len(labels)):
        raise BadInput(
            f"{len(labels)} labels: {', '.join(labels) or 'none'}.",
            "A classification task needs at least two different classes, or labels.",
        )
    order = None if fresh else output_order(model.config, labels, kind)
    last = architectures.classifier(model)
    if order is None:
        _draw(last, outputs(labels, kind), float(model.config.initializer_range), seed)
    else:
        resize(last, last.weight[order], None if last.bias is None else last.bias[order])
    name_labels(model, labels, kind)


def labels_of(config: PretrainedConfig) -> tuple[tuple[str, ...], Kind]:
    """Return a model's names of classes or labels in id order (none for regression), and its kind.

    Only a model whose problem type says so has several labels for each text.
    """
    known = {int(number): str(name) for number, name in (config.id2label or {}).items()}
    names = tuple(known[number] for number in range(len(known)))
    if len(names) == 1:
        return (), "number"
    return names, "labels" if config.problem_type == PROBLEM_TYPES["labels"] else "classes"


def outputs(labels: tuple[str, ...], kind: Kind) -> int:
    """Return C, the number of a model's outputs."""
    return 1 if kind == "number" else len(labels)


def name_labels(model: PreTrainedModel, labels: tuple[str, ...], kind: Kind) -> None:
    """Write the labels into the model's configuration."""
    names = ("LABEL_0",) if kind == "number" else labels
    config = model.config
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
    config.problem_type = PROBLEM_TYPES[kind]
    # torch knows tensors and modules alone as attributes.
    model.num_labels = len(names)  # pyrefly: ignore[bad-argument-type]


def output_order(config: PretrainedConfig, labels: tuple[str, ...], kind: Kind) -> list[int] | None:
    """Return each label's output in the checkpoint; None where the labels or their kind differ.

    See `sparsekd.checkpoints.classifier.output_order`.
    """
    return classifier.output_order(*labels_of(config), labels, kind)


def _draw(last: nn.Linear, classes: int, spread: float, seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    weight = torch.empty(classes, last.in_features).normal_(0.0, spread, generator=drawn)
    like = last.weight
    resize(last, weight.to(like), torch.zeros(classes).to(like))
