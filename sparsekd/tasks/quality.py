"""A model's answers beyond one number: confusions, calibration, residuals."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

Array = NDArray[Any]
BINS = 10


def confusion_table(logits: Array, labels: Array, names: tuple[str, ...]) -> pd.DataFrame:
    """Return one row per true and predicted class: true, predicted, examples, share of the true.

    Shapes: logits (N, C), labels (N,).
    """
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (labels, logits.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return pd.DataFrame(
        {
            "true": np.repeat(names, len(names)),
            "predicted": np.tile(names, len(names)),
            "examples": counts.ravel(),
            "share": shares.ravel(),
        }
    )


def calibration(logits: Array, labels: Array) -> tuple[pd.DataFrame, float]:
    """Return mean confidence and accuracy per bin of confidence, and the calibration error.

    The expected calibration error is the mean distance of confidence and accuracy; 0 is perfect.
    Columns: confidence, accuracy, examples.

    Shapes: logits (N, C), labels (N,).
    Source: Guo et al., ICML 2017, arXiv 1706.04599 (equal-width bins).
    """
    confidence = softmax(np.asarray(logits, dtype=np.float64), axis=1).max(axis=1)
    correct = logits.argmax(axis=1) == labels
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    found = pd.DataFrame({"bin": places, "confidence": confidence, "correct": correct})
    bins = found.groupby("bin").agg(
        confidence=("confidence", "mean"),
        accuracy=("correct", "mean"),
        examples=("correct", "size"),
    )
    gaps = (bins["confidence"] - bins["accuracy"]).abs() * bins["examples"]
    return bins.reset_index(drop=True), float(gaps.sum() / len(labels))


def residuals(predicted: Array, labels: Array) -> tuple[pd.DataFrame, float]:
    """Return a histogram of predicted − gold, and the median absolute residual.

    Columns: from, to, examples.

    Shapes: predicted, labels (N,).
    """
    errors = np.asarray(predicted, dtype=np.float64) - labels
    counts, edges = np.histogram(errors, bins=2 * BINS)
    bars = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "examples": counts})
    return bars, float(np.median(np.abs(errors)))
