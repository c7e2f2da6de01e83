"""A model's answers beyond one number: confusions and residuals."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
BINS = 10


def confusion_table(logits: Array, labels: Array, names: tuple[str, ...]) -> pd.DataFrame:
    """Return one row per true and predicted class: true, predicted, examples, share of the true.

    Shapes: logits (N, C), labels (N,).
    """
    counts = confusion_counts(logits, labels, len(names))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return pd.DataFrame(
        {
            "true": np.repeat(names, len(names)),
            "predicted": np.tile(names, len(names)),
            "examples": counts.ravel(),
            "share": shares.ravel(),
        }
    )


def confusions(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of a confusion table whose classes differ and that have examples.

    The largest first; columns as those of `confusion_table`.
    """
    wrong = cells[(cells["true"] != cells["predicted"]) & (cells["examples"] > 0)]
    return wrong.sort_values("examples", ascending=False, kind="stable", ignore_index=True)


def confusion_counts(logits: Array, labels: Array, classes: int) -> Array:
    """Count the examples of each true and predicted class.

    Shapes: logits (N, C), labels (N,) -> (C, C): true, predicted.
    """
    cells = labels * classes + logits.argmax(axis=1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def residuals(predicted: Array, labels: Array) -> tuple[pd.DataFrame, float]:
    """Return a histogram of predicted − gold, and the median absolute residual.

    Columns: from, to, examples.

    Shapes: predicted, labels (N,).
    """
    errors = np.asarray(predicted, dtype=np.float64) - labels
    counts, edges = np.histogram(errors, bins=2 * BINS)
    bars = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "examples": counts})
    return bars, float(np.median(np.abs(errors)))
