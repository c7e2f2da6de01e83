"""Calibration: whether a model is right as often as it is sure, before and after a temperature."""

from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from sparsekd.tasks import metrics
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.predictions import probabilities

Array = NDArray[Any]
BINS = 10
TEMPERATURES = (0.05, 20.0)


def confidences(card: TaskCard, logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return the probability of each prediction, and whether it is right.

    With several labels each is a prediction of its own, "applies" or "does not".

    Shapes: logits (N, C), labels (N,) -> (N,), (N,); with several labels (N, C) -> (N · C,).
    """
    sure, right = probabilities(card.kind, logits), metrics.predictions(card, logits) == labels
    if card.multilabel:
        return np.maximum(sure, 1 - sure).ravel(), right.ravel()
    return sure.max(axis=1), right


def bins(confidence: Array, correct: Array) -> pd.DataFrame:
    """Return mean confidence and accuracy in each of ten equal bins of confidence.

    Columns: bin (its place, 0–9), confidence, accuracy, examples. Empty bins have no row.

    Shapes: (N,), (N,).
    """
    found = pd.DataFrame({"bin": _places(confidence), "confidence": confidence, "hit": correct})
    return (
        found.groupby("bin")
        .agg(confidence=("confidence", "mean"), accuracy=("hit", "mean"), examples=("hit", "size"))
        .reset_index()
    )


def error(confidence: Array, correct: Array) -> float:
    """Return the expected calibration error: the mean distance of confidence and accuracy.

    Over the bins of `bins`, weighted by their examples; 0 is perfect.

    Shapes: (N,), (N,).
    Source: Guo et al., ICML 2017, arXiv 1706.04599.
    """
    gaps = np.bincount(_places(confidence), confidence - correct, BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def chance_error(confidence: Array) -> float:
    """Return the error that a perfectly calibrated model of these confidences is expected to show.

    It is above 0 because each bin has finitely many examples. In a bin the sum of confidence
    minus hit has variance Σ c·(1 − c); by the normal approximation its mean size is √(2/π) times
    the standard deviation.

    Shapes: (N,).
    """
    variance = np.bincount(_places(confidence), confidence * (1 - confidence), BINS)
    return float(np.sqrt(2 / np.pi * variance).sum() / len(confidence))


def fitted_temperature(card: TaskCard, logits: Array, labels: Array) -> float:
    """Return the temperature that minimises the cross-entropy of logits / temperature.

    Above 1 the model was too sure. It lies in `TEMPERATURES`, and changes no prediction.

    Shapes: logits (N, C), labels (N,), with several labels (N, C).
    Source: Guo et al., ICML 2017, arXiv 1706.04599 (temperature scaling).
    """
    values = np.asarray(logits, dtype=np.float64)
    low, high = np.log(TEMPERATURES)
    found = scipy.optimize.minimize_scalar(
        lambda power: metrics.loss(card, values / np.exp(power), labels),
        bounds=(low, high),
        method="bounded",
    )
    return float(np.exp(found.x))


def _places(confidence: Array) -> NDArray[np.intp]:
    return np.minimum((np.asarray(confidence) * BINS).astype(np.intp), BINS - 1)
