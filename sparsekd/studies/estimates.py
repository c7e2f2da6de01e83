"""Means with their uncertainty over seeds, examples and teachers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Bounds = tuple[float, float]
"""The lowest and the highest possible value of a quantity."""

CONFIDENCE = 0.95
UNBOUNDED: Bounds = (-math.inf, math.inf)
LEAST_P = 1e-100  # half of the smallest p of several teachers
SAME = 1e-12  # metrics that differ by less differ by rounding alone


@dataclass(frozen=True, eq=False)
class Sample:
    """A quantity by seed, and how it depends on the examples that it was measured on.

    `without` has the same quantity with each group of examples left out, a row per seed and a
    column per group; None where the answers to the single examples are not known.
    `teachers` has it by seed and teacher, a column each, where there are several: `values` and
    `without` are then the means over them.
    """

    values: pd.Series
    without: pd.DataFrame | None = None
    teachers: pd.DataFrame | None = None

    def minus(self, other: "Sample") -> "Sample":
        """Return the differences, paired by seed and teacher; what one of both lacks is left out.

        Of samples with several teachers both have the same ones.
        """
        gaps = (self.values - other.values).dropna()
        if self.without is None or other.without is None:
            without = None
        else:
            without = (self.without - other.without).loc[gaps.index].dropna(axis=1)
        if self.teachers is None or other.teachers is None:
            return Sample(gaps, without)
        return Sample(gaps, without, (self.teachers - other.teachers).loc[gaps.index])

    def plus(self, amount: float) -> "Sample":
        """Return the same, higher by an amount."""
        others = (None if each is None else each + amount for each in (self.without, self.teachers))
        return Sample(self.values + amount, *others)

    def estimate(self) -> "Estimate":
        """Return the mean over seeds, and teachers, with its errors."""
        left_out = None if self.without is None else self.without.to_numpy(dtype=np.float64)
        teachers = None if self.teachers is None else self.teachers.to_numpy(dtype=np.float64)
        return estimate(self.values.to_numpy(dtype=np.float64), left_out, teachers)

    @property
    def constant(self) -> bool:
        """Return whether all values are equal, but for rounding, of all seeds and teachers."""
        return constant((self.values if self.teachers is None else self.teachers).to_numpy())


def pooled(samples: Sequence[Sample]) -> Sample:
    """Return the samples of several teachers, in their order, as one; a single one as it is.

    Seeds that one of them lacks are left out.
    """
    if len(samples) == 1:
        return samples[0]
    by_teacher = pd.concat([one.values for one in samples], axis=1, keys=range(len(samples)))
    by_teacher = by_teacher.dropna()
    known = [one.without.loc[by_teacher.index] for one in samples if one.without is not None]
    without = None
    if len(known) == len(samples) and len({each.shape[1] for each in known}) == 1:
        total = np.mean([each.to_numpy() for each in known], axis=0)
        without = pd.DataFrame(total, by_teacher.index)
    return Sample(by_teacher.mean(axis=1), without, by_teacher)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and its standard error for new seeds, examples and teachers.

    `example_error` is NaN where it is not known: then the mean is that of these very examples;
    `teacher_error` is NaN of one teacher: then it is that of this very teacher.
    `freedom` are the degrees of freedom of the error over seeds and examples, by Welch and
    Satterthwaite; those of `teacher_error` are `teachers` − 1.
    """

    mean: float
    seed_error: float
    example_error: float
    freedom: float
    teacher_error: float = math.nan
    teachers: int = 1

    @property
    def error(self) -> float:
        """Return the standard error: all parts, as independent ones.

        What seeds, examples and teachers do together is in several parts, so that it is slightly
        too large.
        """
        return math.hypot(self._own_error, np.nan_to_num(self.teacher_error))

    @property
    def _own_error(self) -> float:
        """Return the standard error over seeds and examples."""
        return math.hypot(self.seed_error, np.nan_to_num(self.example_error))

    def interval(
        self, confidence: float = CONFIDENCE, bounds: Bounds = UNBOUNDED
    ) -> tuple[float, float]:
        """Return the two-sided interval; NaN below two seeds, and where nothing varies.

        What lies outside the lowest and the highest possible value is cut off: the interval covers
        as often without it.
        """
        if not self.error > 0:
            return math.nan, math.nan
        half = self._half_width((1 - confidence) / 2)
        return max(self.mean - half, bounds[0]), min(self.mean + half, bounds[1])

    @property
    def p(self) -> float:
        """Return the two-sided p of the mean against 0; NaN below two seeds.

        It is the level of the interval that ends at 0.
        """
        if not self.error > 0:
            return math.nan
        if not self.teacher_error > 0:
            return float(2 * scipy.stats.t.sf(abs(self.mean) / self.error, self.freedom))
        least, most = math.log(LEAST_P), math.log(0.5)
        if self._half_width(LEAST_P) < abs(self.mean):
            return 2 * LEAST_P
        log_tail = scipy.optimize.brentq(
            lambda log: self._half_width(math.exp(log)) - abs(self.mean), least, most
        )
        return min(1.0, 2 * math.exp(log_tail))

    def _half_width(self, tail: float) -> float:
        """Return half the interval that leaves out a tail at either end.

        A t interval for one teacher. Each of two parts of the error, with its own t value, for
        several: it covers at least as often as it says, however few the teachers are and however
        the parts compare. The one t value of Satterthwaite covers too seldom: of two teachers that
        happen to be alike it takes their spread for small.

        Source: Banerjee, Sankhyā, 1961.
        """
        own, teachers = self._own_error, float(np.nan_to_num(self.teacher_error))
        half = -special.stdtrit(self.freedom, tail) * own if own > 0 else 0.0
        other = -special.stdtrit(self.teachers - 1, tail) * teachers if teachers > 0 else 0.0
        return math.hypot(half, other)


def estimate(
    values: NDArray[Any],
    without: NDArray[Any] | None = None,
    teachers: NDArray[Any] | None = None,
) -> Estimate:
    """Return the mean over seeds with its standard error.

    The variance over examples is that of the jackknife that leaves out groups of them, of the mean
    over seeds. Of several teachers all have the same seeds, and both ways share the same students:
    the variances of the mean over seeds and over teachers are added, which counts what a single
    student adds twice, rather than not at all.

    Shapes: values (seeds,), without (seeds, groups), teachers (seeds, teachers).
    Source: Efron, Annals of Statistics, 1981 (jackknife); Satterthwaite, Biometrics, 1946; Owen,
        Annals of Applied Statistics, 2007 (two crossed random effects).
    """
    seeds = len(values)
    count = 1 if teachers is None else teachers.shape[1]
    if seeds < 2:
        mean = float(values.mean()) if seeds else math.nan
        return Estimate(mean, math.nan, math.nan, math.nan, teachers=count)
    by_seed = _variance_of_mean(np.asarray(values, dtype=np.float64))
    teacher_error = math.nan
    if teachers is not None and count > 1:
        teacher_error = math.sqrt(_variance_of_mean(teachers.mean(axis=0)))
    by_example, groups = math.nan, 0
    if without is not None and without.shape[1] > 1:
        left_out, groups = without.mean(axis=0), without.shape[1]
        by_example = float((groups - 1) * np.var(left_out))
    parts = [(by_seed, seeds - 1), (np.nan_to_num(by_example), groups - 1)]
    spread = sum(part**2 / freedom for part, freedom in parts if part > 0)
    total = sum(part for part, _ in parts)
    freedom = total**2 / spread if spread else math.nan
    errors = math.sqrt(by_seed), math.sqrt(by_example)
    return Estimate(float(np.mean(values)), *errors, freedom, teacher_error, count)


def _variance_of_mean(values: Array) -> float:
    return 0.0 if constant(values) else float(np.var(values, ddof=1)) / len(values)


def interval(
    values: NDArray[Any], confidence: float = CONFIDENCE, bounds: Bounds = UNBOUNDED
) -> tuple[float, float]:
    """Return the two-sided t interval of a mean over seeds, on these very examples.

    NaN below two seeds, and where all are equal: their spread is then unknown. `bounds`: see
    `Estimate.interval`.
    """
    return estimate(np.asarray(values, dtype=np.float64)).interval(confidence, bounds)


def constant(values: Array) -> bool:
    """Return whether all values are equal, but for rounding."""
    return bool(np.ptp(values) <= SAME)
