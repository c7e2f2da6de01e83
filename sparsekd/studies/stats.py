"""Means with their uncertainty over seeds and examples, Holm's correction, and power."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_SEEDS = 5
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
POWER = 0.8
MOST_SEEDS = 1000  # a difference that takes more of them is not worth finding
SAME = 1e-12  # metrics that differ by less differ by rounding alone


# --- what was measured -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sample:
    """A quantity by seed, and how it depends on the examples that it was measured on.

    `without` has the same quantity with each group of examples left out, a row per seed and a
    column per group; None where the answers to the single examples are not known.
    """

    values: pd.Series
    without: pd.DataFrame | None = None

    def minus(self, other: "Sample") -> "Sample":
        """Return the paired differences; seeds that only one of both has are left out."""
        gaps = (self.values - other.values).dropna()
        if self.without is None or other.without is None:
            return Sample(gaps)
        return Sample(gaps, (self.without - other.without).loc[gaps.index].dropna(axis=1))

    def plus(self, amount: float) -> "Sample":
        """Return the same, higher by an amount."""
        return Sample(self.values + amount, None if self.without is None else self.without + amount)

    def estimate(self) -> "Estimate":
        """Return the mean over seeds with its errors."""
        left_out = None if self.without is None else self.without.to_numpy(dtype=np.float64)
        return estimate(self.values.to_numpy(dtype=np.float64), left_out)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and its standard error for new seeds and new examples.

    `example_error` is NaN where it is not known: then the mean is that of these very examples.
    `freedom` are the degrees of freedom of `error`, by Welch and Satterthwaite.
    """

    mean: float
    seed_error: float
    example_error: float
    freedom: float

    @property
    def error(self) -> float:
        """Return the standard error: both parts, as independent ones.

        What seeds and examples do together is in both parts, so that it is slightly too large.
        """
        return math.hypot(self.seed_error, np.nan_to_num(self.example_error))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the two-sided t interval; NaN below two seeds, and where nothing varies."""
        if not self.error > 0:
            return math.nan, math.nan
        low, high = scipy.stats.t.interval(confidence, self.freedom, self.mean, self.error)
        return float(low), float(high)

    @property
    def p(self) -> float:
        """Return the two-sided p of the mean against 0; NaN below two seeds."""
        if not self.error > 0:
            return math.nan
        return float(2 * scipy.stats.t.sf(abs(self.mean) / self.error, self.freedom))


def estimate(values: NDArray[Any], without: NDArray[Any] | None = None) -> Estimate:
    """Return the mean over seeds with its standard error.

    The variance over examples is that of the jackknife that leaves out groups of them, of the mean
    over seeds.

    Shapes: values (seeds,), without (seeds, groups).
    Source: Efron, Annals of Statistics, 1981 (jackknife); Satterthwaite, Biometrics, 1946.
    """
    seeds = len(values)
    if seeds < 2:
        mean = float(values.mean()) if seeds else math.nan
        return Estimate(mean, math.nan, math.nan, math.nan)
    same = bool(constant(np.asarray(values, dtype=np.float64)))
    by_seed = 0.0 if same else float(np.var(values, ddof=1)) / seeds
    by_example, groups = math.nan, 0
    if without is not None and without.shape[1] > 1:
        left_out, groups = without.mean(axis=0), without.shape[1]
        by_example = float((groups - 1) * np.var(left_out))
    parts = [(by_seed, seeds - 1), (np.nan_to_num(by_example), groups - 1)]
    spread = sum(part**2 / freedom for part, freedom in parts if part > 0)
    total = sum(part for part, _ in parts)
    freedom = total**2 / spread if spread else math.nan
    return Estimate(float(np.mean(values)), math.sqrt(by_seed), math.sqrt(by_example), freedom)


def interval(values: NDArray[Any], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the two-sided t interval of a mean over seeds, on these very examples.

    NaN below two seeds, and where all are equal: their spread is then unknown.
    """
    return estimate(np.asarray(values, dtype=np.float64)).interval(confidence)


def paired_test(gaps: Sample) -> float:
    """Return the two-sided p of paired differences against 0.

    Where every seed differs by the same amount the spread over seeds is unknown: p is then at
    least that of the sign test, which n seeds bring to 2 · 0.5ⁿ at best. Differences that are all
    0 give 1, fewer than two seeds give NaN.
    """
    values = gaps.values.to_numpy(dtype=np.float64)
    if len(values) < 2:
        return math.nan
    if not constant(values):
        return gaps.estimate().p
    if abs(values[0]) <= SAME:
        return 1.0
    by_sign = float(scipy.stats.binomtest(len(values), len(values)).pvalue)
    return max(by_sign, float(np.nan_to_num(gaps.estimate().p)))


def constant(values: Array) -> bool:
    """Return whether all values are equal, but for rounding."""
    return bool(np.ptp(values) <= SAME)


# --- Holm's correction -----------------------------------------------------------------------


def holm(p: Sequence[float] | Array) -> Array:
    """Return p values corrected for several comparisons: any error in at most 5 % of studies.

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

    That is 1 − 5 % / the comparisons that are undecided at its step; those that are not
    significant share the step at which the procedure stops. A t interval of this confidence
    excludes 0 exactly where the corrected p is below 5 %.

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
    """Return the difference that is found with 80 % power, in standard deviations over seeds.

    Each comparison is tested at 5 % / their number, a little stricter than Holm's correction.

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
