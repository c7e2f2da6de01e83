"""How far results are apart, and how far they may be: by the precision of the step, with reasons.

Measured on an H100: at most 2e-5 of the norm for what computes in float32 (the changes of an
ablation, which are differences themselves; logits and scores 4e-7), and 0.06 for the logits after
a training in bfloat16.
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from sparsekd.check import Difference

Array = NDArray[Any]
Regime = Literal["exact", "float32", "training", "bfloat16"]
"""How a step computes, against the processor in float32: with the same code; with other kernels
in float32; the same over the steps of a training; a training under bfloat16 autocast."""

REASONS: dict[Regime, str] = {
    "exact": "the same code on the same processor gives the same bits",
    "float32": "other kernels add float32 numbers in another order",
    "training": "other kernels add float32 numbers in another order, and each step adds to it",
    "bfloat16": "bfloat16 has 8 bits: an error of 0.4% in each product, and each step adds to it",
}
# Largest tolerated ‖a − b‖ / ‖b‖.
RELATIVE: dict[Regime, float] = {
    "exact": 0.0,
    "float32": 1e-4,
    "training": 0.01,
    "bfloat16": 0.15,
}
# 1 − Spearman's rank correlation over all units.
RANKS: dict[Regime, float] = {"exact": 0.0, "float32": 1e-3, "training": 1e-3, "bfloat16": 0.02}
# Share of the units on which two masks disagree.
UNITS: dict[Regime, float] = {"exact": 0.0, "float32": 0.01, "training": 0.01, "bfloat16": 0.05}
# Share of the examples by which the numbers of right answers may differ.
EXAMPLES: dict[Regime, float] = {"exact": 0.0, "float32": 0.0, "training": 0.02, "bfloat16": 0.05}


def regime(device: str, training: bool = False) -> Regime:
    """Return how a device computes a step, or a training: under bfloat16 autocast on CUDA."""
    kind = torch.device(device).type
    if kind == "cpu":
        return "exact"
    if not training:
        return "float32"
    return "bfloat16" if kind == "cuda" else "training"


def relative(what: str, found: Array, expected: Array, how: Regime) -> Difference:
    """Return ‖found − expected‖ / ‖expected‖; of other shapes, or not finite, NaN.

    Shapes: any, the same for both.
    """
    value = float("nan")
    one, other = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if one.shape == other.shape:
        norm = float(np.linalg.norm(other))
        value = float(np.linalg.norm(one - other)) / (norm or 1.0)
    return Difference(f"{what}: relative norm", value, RELATIVE[how], REASONS[how])


def ranks(what: str, found: Array, expected: Array, how: Regime) -> Difference:
    """Return 1 − Spearman's rank correlation.

    Shapes: any, the same for both.
    """
    value = float("nan")
    if found.shape == expected.shape:
        same = np.array_equal(found, expected)
        value = 0.0 if same else 1 - float(spearmanr(found.ravel(), expected.ravel()).statistic)
    return Difference(f"{what}: 1 − rank correlation", value, RANKS[how], REASONS[how])


def units(what: str, found: Array, expected: Array, how: Regime) -> Difference:
    """Return the share of units on which two masks disagree.

    Shapes: any, the same for both.
    """
    value = float(np.mean(found != expected)) if found.shape == expected.shape else float("nan")
    return Difference(f"{what}: share of units that differ", value, UNITS[how], REASONS[how])


def right_answers(
    what: str, found: Array, expected: Array, labels: Array, how: Regime
) -> Difference:
    """Return by how many examples the numbers of right answers differ.

    Shapes: found, expected (N, C), labels (N,), N here the number of examples.
    """
    right = [int((logits.argmax(axis=1) == labels).sum()) for logits in (found, expected)]
    most = EXAMPLES[how] * len(labels)
    value = float(abs(right[0] - right[1]))
    return Difference(f"{what}: right answers of {len(labels)}", value, most, REASONS[how])
