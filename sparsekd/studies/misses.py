"""The examples that a model gets wrong, those of which it is surest first."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.runs.outputs import Outputs
from sparsekd.studies.agreement import text_columns
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import is_labelled
from sparsekd.tasks.predictions import label_text, predicted, probabilities


def misses(
    card: TaskCard,
    answers: Mapping[str, Outputs],
    name: str,
    texts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return one row per labelled example that a model gets wrong, the surest first.

    Of a regression all examples, the farthest first. Columns: row, text and pair (where given),
    gold, prediction, confidence (of several labels: of the surest wrong one; of a regression:
    error), missed_by (how many of the models with the same examples miss it; not of a regression).

    Args:
        answers: Logits and labels of a split, by the name of the model.
        texts: The frame of the split, with the columns text and, for pairs of texts, pair.

    Raises:
        Incompatible: the texts are not those of the answers.
    """
    logits, gold = answers[name]
    frame = pd.DataFrame({"row": np.arange(len(gold)), **text_columns(card, texts, gold)})
    frame["gold"] = [label_text(card, label) for label in gold]
    frame["prediction"] = [predicted(card, row) for row in logits]
    if card.regression:
        frame["error"] = np.abs(logits[:, 0] - gold)
        known = frame[is_labelled(gold)]
        return known.sort_values("error", ascending=False, kind="stable", ignore_index=True)
    frame["confidence"] = _confidences(card, logits, gold)
    others = [wrong(card, each) for each in answers.values() if _same(each[1], gold)]
    frame["missed_by"] = np.sum(others, axis=0)
    missed = frame[wrong(card, answers[name])]
    return missed.sort_values("confidence", ascending=False, kind="stable", ignore_index=True)


def wrong(card: TaskCard, answers: Outputs) -> NDArray[Any]:
    """Return on which examples a classifier's prediction is not the gold label.

    Shapes: logits (N, C), labels (N,) -> (N,).
    """
    logits, labels = answers
    pairs = zip(logits, labels, strict=True)
    differ = [predicted(card, row) != label_text(card, label) for row, label in pairs]
    return np.array(differ, dtype=bool) & is_labelled(labels)


def _confidences(card: TaskCard, logits: NDArray[Any], gold: NDArray[Any]) -> NDArray[Any]:
    """Return the probability of what is predicted. Shapes: logits (N, C), gold (N,) or (N, C)."""
    shares = probabilities(card.kind, logits)
    if not card.multilabel:
        return np.asarray(shares.max(axis=1))
    missed = (logits > 0) != (gold > 0)
    return np.asarray((np.maximum(shares, 1 - shares) * missed).max(axis=1))


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
