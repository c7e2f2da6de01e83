"""Metrics of predictions, computed by scikit-learn and scipy.

Their modules take a second to load and do so at the first use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import inf
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import logsumexp

from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks.cards import Kind, TaskCard

Array = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """A measure of predictions' quality for some kinds of label; higher is better, 1 is perfect.

    `function` takes labels, predictions and C, the card's number of classes.
    """

    name: str
    title: str
    kinds: tuple[Kind, ...]
    function: Callable[[Array, Array, int], float]
    lowest: float = 0.0


def _sklearn(name: str) -> Callable[..., float]:
    """Return a metric of scikit-learn."""
    function: Callable[..., float] = getattr(import_module("sklearn.metrics"), name)
    return function


def _accuracy(labels: Array, predictions: Array, classes: int) -> float:
    """Compute the share of right predictions; with several labels, all of them must be right."""
    return float(_sklearn("accuracy_score")(labels, predictions))


def _mcc(labels: Array, predictions: Array, classes: int) -> float:
    """Compute Matthews correlation; 0 if all predictions, or all labels, are of one class."""
    return float(_sklearn("matthews_corrcoef")(labels, predictions))


def _f1(labels: Array, predictions: Array, classes: int) -> float:
    """Compute F1 of class 1 for a task of two classes, otherwise the macro F1.

    The task decides, not the classes that occur: examples of two classes of three have a macro F1.
    """
    average = "binary" if classes == 2 else "macro"
    return float(_sklearn("f1_score")(labels, predictions, average=average, zero_division=0.0))


def _macro_f1(labels: Array, predictions: Array, classes: int) -> float:
    """Compute the mean F1, each class or label of the same weight.

    A class that is neither a label nor a prediction has no F1 and is left out.
    """
    return float(_sklearn("f1_score")(labels, predictions, average="macro", zero_division=0.0))


def _micro_f1(labels: Array, predictions: Array, classes: int) -> float:
    """Compute F1 over all decisions, one for each example and label."""
    return float(_sklearn("f1_score")(labels, predictions, average="micro", zero_division=0.0))


def _balanced_accuracy(labels: Array, predictions: Array, classes: int) -> float:
    """Compute the mean recall of the classes that occur, each of the same weight."""
    there = np.unique(labels)
    return float(_sklearn("recall_score")(labels, predictions, labels=there, average="macro"))


def _correlation(name: str) -> Callable[..., float]:
    """Return a correlation of scipy, 0 where it is undefined because one side is constant."""

    def value(labels: Array, predictions: Array, classes: int) -> float:
        if len(labels) < 2 or np.ptp(labels) == 0 or np.ptp(predictions) == 0:
            return 0.0
        return float(getattr(scipy.stats, name)(labels, predictions)[0])

    return value


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", ("classes",), _accuracy),
        Metric("f1", "F1", ("classes",), _f1),
        Metric("macro_f1", "Macro F1", ("classes", "labels"), _macro_f1),
        Metric("balanced_accuracy", "Balanced accuracy", ("classes",), _balanced_accuracy),
        Metric("mcc", "Matthews correlation", ("classes",), _mcc, -1),
        Metric("micro_f1", "Micro F1", ("labels",), _micro_f1),
        Metric("subset_accuracy", "Subset accuracy", ("labels",), _accuracy),
        Metric("pearson", "Pearson correlation", ("number",), _correlation("pearsonr"), -1),
        Metric("spearman", "Spearman correlation", ("number",), _correlation("spearmanr"), -1),
    )
}


DEFAULTS: dict[Kind, tuple[str, ...]] = {
    "classes": ("accuracy",),
    "labels": ("micro_f1", "macro_f1", "subset_accuracy"),
    "number": ("pearson", "spearman"),
}
"""The metrics of a task whose metrics are not named, by its kind of label."""


def title(name: str) -> str:
    """Return the title of a metric or loss."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ").capitalize()


def lower_is_better(name: str) -> bool:
    """Return whether lower values are better: those of the loss alone."""
    return name == "loss"


def bounds(name: str) -> tuple[float, float]:
    """Return the lowest and the highest possible value of a metric, another share or the loss."""
    if lower_is_better(name):
        return 0.0, inf
    return METRICS[name].lowest if name in METRICS else 0.0, 1.0


def predictions(card: TaskCard, logits: Array) -> Array:
    """Return the predictions of logits: the most probable class, or the number itself.

    With several labels, 1 for each of a probability above ½.

    Shapes: logits (N, C) -> (N,), with several labels (N, C).
    """
    values = np.asarray(logits)
    if card.multilabel:
        return (values > 0).astype(np.int64)
    return values[:, 0] if card.regression else values.argmax(axis=1)


def value(card: TaskCard, name: str, logits: Array, labels: Array) -> float:
    """Compute one metric, or the mean loss.

    Shapes: logits (N, C), labels (N,), with several labels (N, C).
    """
    if name == "loss":
        return loss(card, logits, labels)
    return METRICS[name].function(labels, predictions(card, logits), card.classes)


def loss(card: TaskCard, logits: Array, labels: Array) -> float:
    """Compute the mean cross-entropy in nats, or the mean squared error.

    With several labels, the mean over labels of the binary cross-entropy.

    Shapes: logits (N, C), labels (N,), with several labels (N, C).
    """
    return float(np.mean(losses(card, logits, labels)))


def losses(card: TaskCard, logits: Array, labels: Array) -> Array:
    """Compute each example's cross-entropy in nats, or squared error.

    Shapes: logits (N, C), labels (N,), with several labels (N, C) -> (N,).
    """
    values = np.asarray(logits, dtype=np.float64)
    if card.multilabel:
        return np.asarray(np.mean(np.logaddexp(0, values) - labels * values, axis=1))
    if card.regression:
        return np.asarray((values[:, 0] - labels) ** 2)
    gold = values[np.arange(len(values)), labels]
    return np.asarray(logsumexp(values, axis=1) - gold)


def by_example(card: TaskCard, name: str, logits: Array, labels: Array) -> Array | None:
    """Compute what a metric is the mean of; None where it is not one over single examples.

    Shapes: logits (N, C), labels (N,), with several labels (N, C) -> (N,).
    """
    if name == "loss":
        return losses(card, logits, labels)
    if METRICS[name].function is not _accuracy:
        return None
    right = predictions(card, logits) == labels
    return np.asarray(right.all(axis=1) if right.ndim == 2 else right, dtype=np.float64)


def evaluate(card: TaskCard, logits: Array, labels: Array) -> dict[str, float]:
    """Compute the task's metrics and the mean loss ("loss").

    Constant predictions have correlation 0 by convention: it is undefined there.

    Shapes: logits (N, C), labels (N,), with several labels (N, C).
    Raises:
        Incompatible: the shapes do not fit the task.
        BadInput: outputs that are not finite.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.shape != (len(labels), card.classes) or not len(labels):
        raise Incompatible(
            f"Outputs of shape {logits.shape} for {len(labels)} examples of {card.name}.",
            f"Expected ({len(labels) or 'at least 1'}, {card.classes}): check the model's classes.",
        )
    if not np.isfinite(logits).all():
        raise BadInput(
            "The model's outputs contain NaN or infinity.",
            "Training has diverged: lower the learning rate.",
        )
    predicted = predictions(card, logits)
    scores = {
        name: METRICS[name].function(labels, predicted, card.classes) for name in card.metrics
    }
    return scores | {"loss": loss(card, logits, labels)}
