"""Paired tests over seeds, Holm's correction, and power."""

import math
from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from sparsekd.studies.estimates import CONFIDENCE, SAME, Array, Sample

LEAST_SEEDS = 5
ALPHA = 1 - CONFIDENCE
POWER = 0.8
MOST_SEEDS = 1000  # a difference that takes more of them is not worth finding


def paired_test(gaps: Sample) -> float:
    """Return the two-sided p of paired differences against 0.

    Where every seed differs by the same amount the spread over seeds is unknown: p is then at
    least that of the sign test, which n seeds bring to 2 · 0.5ⁿ at best; of several teachers n is
    their number. Differences that are all
    0 give 1, fewer than two seeds give NaN.
    """
    values = gaps.values.to_numpy(dtype=np.float64)
    if len(values) < 2:
        return math.nan
    if not gaps.constant:
        return gaps.estimate().p
    if abs(values[0]) <= SAME:
        return 1.0
    signs = len(values) if gaps.teachers is None else gaps.teachers.shape[1]
    by_sign = float(scipy.stats.binomtest(signs, signs).pvalue)
    return max(by_sign, float(np.nan_to_num(gaps.estimate().p)))


# --- Holm's correction -----------------------------------------------------------------------


def holm(p: Sequence[float] | Array) -> Array:
    """Return p values corrected for several comparisons: any error in at most 5% of studies.

    A comparison that is not finished is NaN and counts, so that an early look gains nothing.

    Shapes: (comparisons,) -> (comparisons,).
    Source: Holm, Scandinavian Journal of Statistics, 1979.
    """
    # Not statsmodels' multipletests: it collects garbage at each call, which takes a simulation of
    # a few thousand studies from seconds to minutes. A test compares the two.
    values = np.asarray(p, dtype=np.float64)
    order, undecided = _steps(values)
    corrected = np.empty_like(values)
    scaled = undecided * np.nan_to_num(values, nan=1.0)[order]
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return np.where(np.isnan(values), np.nan, corrected)


def holm_confidence(p: Sequence[float] | Array) -> Array:
    """Return the confidence level at which Holm's procedure tests each comparison.

    That is 1 − 5% / the comparisons that are undecided at its step; those that are not
    significant share the step at which the procedure stops. A t interval of this confidence
    excludes 0 exactly where the corrected p is below 5%.

    Shapes: (comparisons,) -> (comparisons,).
    """
    values = np.asarray(p, dtype=np.float64)
    order, undecided = _steps(values)
    significant = int((holm(values) < ALPHA).sum())
    undecided[significant:] = len(values) - significant
    levels = np.empty_like(values)
    levels[order] = 1 - ALPHA / undecided
    return levels


def _steps(p: Array) -> tuple[NDArray[np.intp], Array]:
    """Return the order of rising p and how many comparisons are undecided at each step."""
    return np.argsort(np.nan_to_num(p, nan=1.0), kind="stable"), np.arange(len(p), 0.0, -1)


# --- power -----------------------------------------------------------------------------------


def detectable_effect(seeds: int, comparisons: int = 1) -> float:
    """Return the difference that is found with 80% power, in standard deviations over seeds.

    Each comparison is tested at 5% / their number, a little stricter than Holm's correction.

    Returns NaN below two seeds.
    """
    if seeds < 2:
        return math.nan
    alpha = ALPHA / max(1, comparisons)
    return float(
        scipy.optimize.brentq(lambda effect: _power(effect, seeds, alpha) - POWER, 1e-3, 1e3)
    )


def _power(effect: float, seeds: int, alpha: float) -> float:
    """Return the probability that a paired t test finds an effect in its true direction."""
    # Not statsmodels' TTestPower: the other tail that it adds is NaN for large effects.
    critical = scipy.stats.t.isf(alpha / 2, seeds - 1)
    return float(scipy.stats.nct.sf(critical, seeds - 1, effect * math.sqrt(seeds)))
