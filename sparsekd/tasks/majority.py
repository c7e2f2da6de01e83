"""The majority baseline: one answer to every text, which a useful model must exceed.

That answer is the most frequent class of the training labels; with several labels for each text,
those that apply to more than half of them; for numbers their mean. The probabilities are the
frequencies, so that the baseline has a loss too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsekd.tasks import metrics
from sparsekd.tasks.cards import Kind, TaskCard
from sparsekd.tasks.classes import members
from sparsekd.tasks.labels import is_labelled
from sparsekd.tasks.left_out import without_each
from sparsekd.tasks.predictions import label_text

Array = NDArray[Any]
TITLES: dict[Kind, str] = {
    "classes": "majority class",
    "labels": "majority labels",
    "number": "mean label",
}
ONE: dict[Kind, str] = {"classes": "one class", "labels": "the same labels", "number": "one number"}
LEAST_SHARE = 1e-9  # of a class that no training text has, so that the loss is finite
Z = 1.959964  # 95% of a normal distribution
CONSTANT = 0.01  # of the gold numbers' standard deviation: below it predictions are one number


def label_means(card: TaskCard, labels: Array) -> list[float]:
    """Return the frequency of each class or label among the labelled examples, or their mean.

    Nothing where none is labelled.

    Shapes: labels (N,), with several labels (N, C) -> C values, 1 for regression.
    """
    known = labels[is_labelled(labels)]
    if not len(known):
        return []
    flags = known[:, None] if card.regression else members(card, known)
    return [float(value) for value in flags.mean(axis=0, dtype=np.float64)]


def logits(card: TaskCard, means: Sequence[float]) -> Array:
    """Return the baseline's logits for every text.

    Args:
        means: The list of `label_means`.

    Shapes: -> (C,).
    """
    shares = np.asarray(means, dtype=np.float64)
    if card.regression:
        return shares
    shares = np.clip(shares, LEAST_SHARE, 1 - LEAST_SHARE)
    return np.log(shares / (1 - shares)) if card.multilabel else np.log(shares)


def scores(card: TaskCard, means: Sequence[float], labels: Array) -> dict[str, float]:
    """Return the baseline's metrics and loss; correlations, which are undefined, are left out.

    Shapes: labels (N,), with several labels (N, C).
    """
    if not len(means):
        return {}
    answers = np.tile(logits(card, means), (len(labels), 1))
    found = metrics.evaluate(card, answers, labels)
    return {name: value for name, value in found.items() if not card.regression or name == "loss"}


def answer_text(card: TaskCard, means: Sequence[float]) -> str:
    """Return the baseline's answer as text: the name of the class, the labels, the number."""
    return label_text(card, metrics.predictions(card, logits(card, means)[None])[0])


# --- a model beside it -----------------------------------------------------------------------


def one_answer(card: TaskCard, answers: Array, labels: Array) -> str:
    """Return the answer that a model gives to every text; empty where its answers differ.

    Numbers whose standard deviation is below 1% of that of the gold numbers are one.

    Shapes: answers (N, C), labels (N,), with several labels (N, C).
    """
    given = metrics.predictions(card, answers)
    if len(given) < 2:
        return ""
    if card.regression:
        same = given.std() < CONSTANT * labels.std()
        return label_text(card, given.mean()) if same else ""
    return label_text(card, given[0]) if (given == given[0]).all() else ""


@dataclass(frozen=True)
class Standing:
    """A model beside the majority baseline on some examples.

    `low` to `high` is the 95% interval of value − majority over examples; `majority` and both ends
    are NaN for correlations. `one_answer` is what the model answers to every text, else empty.
    """

    metric: str
    value: float
    majority: float
    low: float
    high: float
    one_answer: str

    @property
    def above(self) -> bool:
        """Whether the model is above the baseline, with its interval; True for correlations."""
        return math.isnan(self.majority) or self.low > 0

    def warning(self, kind: Kind) -> str:
        """Return what is wrong with the model as a sentence; empty where it is above."""
        if self.one_answer:
            what = ONE[kind]
            return f"It answers {what} to every text: {self.one_answer}."
        if self.above:
            return ""
        return (
            f"It is not above the {TITLES[kind]}: {metrics.title(self.metric)} {self.value:.3f} "
            f"against {self.majority:.3f} (95% interval of the difference over examples "
            f"{100 * self.low:+.1f} to {100 * self.high:+.1f} points)."
        )

    def in_words(self, card: TaskCard, means: Sequence[float], split: str) -> str:
        """Return the value, and how far above the baseline it is, as a sentence."""
        words = f"{metrics.title(self.metric)} on {split}: {self.value:.3f}"
        if math.isnan(self.majority):
            return f"{words}; a constant answer has no correlation."
        gap, ends = 100 * (self.value - self.majority), (100 * self.low, 100 * self.high)
        side = f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'}" if gap else "equal to"
        return (
            f"{words}, {side} the {TITLES[card.kind]} “{answer_text(card, means)}” "
            f"({self.majority:.3f}); 95% interval of the difference over examples "
            f"{ends[0]:+.1f} to {ends[1]:+.1f}."
        )


def standing(card: TaskCard, means: Sequence[float], answers: Array, labels: Array) -> Standing:
    """Return how a model stands beside the baseline, by the task's first metric.

    Shapes: answers (N, C), labels (N,), with several labels (N, C).
    """
    name = card.metrics[0]
    value = metrics.evaluate(card, answers, labels)[name]
    same = one_answer(card, answers, labels)
    if card.regression or not len(means):
        return Standing(name, value, math.nan, math.nan, math.nan, same)
    majority = scores(card, means, labels)[name]
    error = _standard_error(card, means, answers, labels)
    gap = value - majority
    return Standing(name, value, majority, gap - Z * error, gap + Z * error, same)


def _standard_error(card: TaskCard, means: Sequence[float], answers: Array, labels: Array) -> float:
    """Return the jackknife's standard error of the difference of model and baseline.

    Examples of the same gold and predicted label are alike, so that one of each is left out in
    turn.

    Source: Efron, Stein, Annals of Statistics, 1981.
    """
    if len(labels) < 2:
        return math.nan
    given = metrics.predictions(card, answers)
    own = metrics.predictions(card, logits(card, means)[None])
    pairs = np.concatenate(
        [labels.reshape(len(labels), -1), given.reshape(len(labels), -1)], axis=1
    )
    _, first, counts = np.unique(pairs, axis=0, return_index=True, return_counts=True)
    one, other = (
        without_each(card, card.metrics[0], labels[first], each, counts)
        for each in (given[first], np.repeat(own, len(first), axis=0))
    )
    values, count = one - other, len(labels)
    mean = (counts * values).sum() / count
    return math.sqrt((count - 1) / count * float((counts * (values - mean) ** 2).sum()))
