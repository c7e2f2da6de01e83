"""Quality class by class, or label by label, which a mean over all examples can hide."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.tasks import jackknife, metrics
from sparsekd.tasks.calibration import error
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.predictions import probabilities

Array = NDArray[Any]
COLUMNS = ["label", "examples", "precision", "recall", "f1", "calibration_error"]
FEW = 30
"""Examples of a class below which its numbers are of little use: one of 29 is 3.4 points."""


def by_class(card: TaskCard, logits: Array, labels: Array) -> pd.DataFrame:
    """Return one row per class or label, in id order; see `COLUMNS`. A regression has none.

    `calibration_error` is that of the probability given to this class, over all examples. A value
    is NaN where it is undefined: the recall of a class without examples, the precision of one
    that is never predicted.

    Shapes: logits (N, C), labels (N,), with several labels (N, C).
    Source: Kull et al., NeurIPS 2019, arXiv 1910.12656 (class-wise calibration).
    """
    if card.regression:
        return pd.DataFrame(columns=COLUMNS)
    gold, given = members(card, labels), members(card, metrics.predictions(card, logits))
    examples, answers, hits = gold.sum(axis=0), given.sum(axis=0), (gold & given).sum(axis=0)
    chances = probabilities(card.kind, logits)
    found = {
        "label": card.labels,
        "examples": examples,
        "precision": _ratio(hits, answers),
        "recall": _ratio(hits, examples),
        "f1": _ratio(2 * hits, examples + answers),
        "calibration_error": [error(chances[:, c], gold[:, c]) for c in range(card.classes)],
    }
    return pd.DataFrame(found)


def without_groups(card: TaskCard, logits: Array, labels: Array) -> dict[str, Array]:
    """Return precision, recall and f1 by class, with each group of examples left out.

    Shapes: logits (N, C), labels (N,), with several labels (N, C) -> (groups, C) by measure.
    """
    gold, given = members(card, labels), members(card, metrics.predictions(card, logits))
    group = jackknife.groups(len(labels))
    inside = np.asarray(group == np.arange(group.max() + 1)[:, None], dtype=np.float64)
    examples, answers, hits = (
        each.sum(axis=0) - inside @ each for each in (gold, given, gold & given)
    )
    return {
        "precision": _ratio(hits, answers),
        "recall": _ratio(hits, examples),
        "f1": _ratio(2 * hits, examples + answers),
    }


def members(card: TaskCard, labels: Array) -> NDArray[np.bool_]:
    """Return which classes or labels each example has. Shapes: labels (N,) or (N, C) -> (N, C)."""
    if card.multilabel:
        return np.asarray(labels > 0)
    return np.asarray(labels[:, None] == np.arange(card.classes))


def _ratio(part: Array, whole: Array) -> Array:
    """Return part / whole, NaN where the whole is empty. Shapes: (…, C), (…, C) -> (…, C)."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
