"""Agreement of a student with its teacher: equal predictions, and the distance of probabilities.

Two models of one accuracy need not agree: they may be wrong on different examples. Agreement says
whether a student has become like its teacher, not whether it is good.

Source: Stanton et al., NeurIPS 2021, arXiv 2106.05945 (top-1 agreement and predictive KL).
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from sparsekd.tasks import jackknife, metrics
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.quality import confusion_counts

Array = NDArray[Any]
MEASURES = ("agreement", "independent", "divergence")


def same(card: TaskCard, teacher: Array, student: Array) -> NDArray[np.bool_]:
    """Return where the predictions are equal: of each example, or of each of its labels.

    Shapes: (N, C), (N, C) -> (N,), with several labels (N, C).
    """
    return np.asarray(metrics.predictions(card, teacher) == metrics.predictions(card, student))


def divergences(card: TaskCard, teacher: Array, student: Array) -> Array:
    """Return KL(teacher ‖ student) of each example, in nats; of a regression the squared gap.

    With several labels each has a KL of its own, of two outcomes.

    Shapes: teacher, student (N, C) -> (N,), with several labels (N, C).
    """
    one, other = (np.asarray(logits, dtype=np.float64) for logits in (teacher, student))
    if card.regression:
        return np.square(one - other)[:, 0]
    if card.multilabel:
        return label_divergences(one, other)
    log_p, log_q = log_softmax(one, axis=1), log_softmax(other, axis=1)
    return np.asarray((np.exp(log_p) * (log_p - log_q)).sum(axis=1))


def label_divergences(teacher: Array, student: Array) -> Array:
    """Return KL(teacher ‖ student) of each label, in nats: of σ(z) and 1 − σ(z).

    Shapes: teacher, student (N, C) -> (N, C).
    """
    p = expit(teacher)
    applies = np.logaddexp(0, -student) - np.logaddexp(0, -teacher)
    applies_not = np.logaddexp(0, student) - np.logaddexp(0, teacher)
    return np.asarray(p * applies + (1 - p) * applies_not)


def agreement(card: TaskCard, teacher: Array, student: Array, labels: Array) -> dict[str, float]:
    """Return how far two models agree; see `MEASURES`.

    `agreement` is the share of equal predictions, `independent` the share that two models of
    these confusions would reach if, given the true class, they erred independently: Σ_y p(y) Σ_c
    p(c | y)·q(c | y). `divergence` is the mean of `divergences`. For a regression `agreement` is
    the Pearson correlation of the two predictions, and `independent` NaN. With several labels all
    three are means over labels, each with the classes "applies" and "does not".

    Shapes: teacher, student (N, C), labels (N,), with several labels (N, C).
    """
    values = {"divergence": float(divergences(card, teacher, student).mean())}
    if card.regression:
        correlation = metrics.METRICS["pearson"].function(teacher[:, 0], student[:, 0], 1)
        return {"agreement": correlation, "independent": float("nan")} | values
    return {
        "agreement": float(same(card, teacher, student).mean()),
        "independent": _independent(card, teacher, student, labels),
    } | values


def _independent(card: TaskCard, teacher: Array, student: Array, labels: Array) -> float:
    if card.multilabel:
        each = zip(teacher.T, student.T, labels.astype(np.int64).T, strict=True)
        pairs = (([np.stack([-z, z], axis=1) for z in (t, s)], gold) for t, s, gold in each)
        return float(np.mean([_by_chance(t, s, gold, 2) for (t, s), gold in pairs]))
    return _by_chance(teacher, student, labels, card.classes)


def _by_chance(teacher: Array, student: Array, labels: Array, classes: int) -> float:
    """Return Σ_y p(y) Σ_c p(c | y)·q(c | y). Shapes: teacher, student (N, C), labels (N,)."""
    one, other = (confusion_counts(logits, labels, classes) for logits in (teacher, student))
    examples = np.maximum(one.sum(axis=1), 1)
    return float(((one * other).sum(axis=1) / examples).sum() / len(labels))


def without_groups(
    card: TaskCard, teacher: Array, student: Array, labels: Array
) -> dict[str, Array]:
    """Return agreement, divergence and likeness, with each group of examples left out.

    `likeness` is the agreement beyond `independent`; of a regression the agreement itself.

    Shapes: teacher, student (N, C), labels (N,), with several labels (N, C) -> (groups,) each.
    """
    apart = divergences(card, teacher, student).reshape(len(labels), -1).mean(axis=1)
    found = {"divergence": jackknife.mean_without_groups(apart)}
    if card.regression:
        pearson = metrics.METRICS["pearson"].function
        agreed = jackknife.without_groups(
            lambda kept: pearson(teacher[kept, 0], student[kept, 0], 1), len(labels)
        )
        return {"agreement": agreed, "likeness": agreed} | found
    equal = same(card, teacher, student).reshape(len(labels), -1).mean(axis=1)
    agreed = jackknife.mean_without_groups(equal)
    one, other = (metrics.predictions(card, logits) for logits in (teacher, student))
    if card.multilabel:
        each = zip(one.T, other.T, labels.T, strict=True)
        chance = np.mean([_by_chance_without_groups(*label, classes=2) for label in each], axis=0)
    else:
        chance = _by_chance_without_groups(one, other, labels, card.classes)
    return {"agreement": agreed, "likeness": agreed - chance} | found


def _by_chance_without_groups(one: Array, other: Array, gold: Array, classes: int) -> Array:
    """Return Σ_y p(y) Σ_c p(c | y)·q(c | y). Shapes: one, other, gold (N,) -> (groups,)."""
    group, gold = jackknife.groups(len(gold)), gold.astype(np.int64)
    groups = int(group.max()) + 1
    kept = []
    for answers in (one.astype(np.int64), other.astype(np.int64)):
        place = (group * classes + gold) * classes + answers
        counts = np.bincount(place, minlength=groups * classes**2)
        counts = counts.reshape(groups, classes, classes)
        kept.append(counts.sum(axis=0) - counts)
    examples = kept[0].sum(axis=2)
    equal = (kept[0] * kept[1]).sum(axis=2) / np.maximum(examples, 1)
    return np.asarray(equal.sum(axis=1) / np.maximum(examples.sum(axis=1), 1))


def by_class(card: TaskCard, teacher: Array, student: Array, labels: Array) -> pd.DataFrame:
    """Return agreement and divergence on the examples of each class. A regression has none.

    Columns: label, examples, agreement, divergence; NaN for a class without examples. With several
    labels a row is about one label, on the examples to which it applies.

    Shapes: teacher, student (N, C), labels (N,), with several labels (N, C).
    """
    columns = ["label", "examples", "agreement", "divergence"]
    if card.regression:
        return pd.DataFrame(columns=columns)
    if card.multilabel:
        return _by_label(card, teacher, student, labels > 0)[columns]
    found = pd.DataFrame(
        {
            "class": labels,
            "agreement": same(card, teacher, student),
            "divergence": divergences(card, teacher, student),
        }
    )
    groups = found.groupby("class")
    means = groups.mean().reindex(range(card.classes))
    sizes = groups.size().reindex(range(card.classes), fill_value=0)
    return means.assign(label=card.labels, examples=sizes).reset_index(drop=True)[columns]


def _by_label(card: TaskCard, teacher: Array, student: Array, there: Array) -> pd.DataFrame:
    """Return the columns of `by_class`. Shapes: teacher, student, there (N, C)."""
    sizes = there.sum(axis=0)
    found = pd.DataFrame({"label": card.labels, "examples": sizes})
    for name, each in (
        ("agreement", same(card, teacher, student)),
        ("divergence", divergences(card, teacher, student)),
    ):
        sums = (each * there).sum(axis=0)
        found[name] = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan)
    return found
