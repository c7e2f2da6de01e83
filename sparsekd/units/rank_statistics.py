"""Rank correlations and top overlap of two values per unit, with bootstrap intervals.

Source: percentile bootstrap: Efron, Tibshirani, An Introduction to the Bootstrap, 1993.
"""

import numpy as np
import scipy
from numpy.typing import NDArray

Row = NDArray[np.float64]

STATISTICS = ("spearman", "kendall", "top_overlap")
MANY_UNITS = 512  # above, Kendall's quadratic cost allows fewer resamples only
RESAMPLES_OF_MANY_UNITS = 200
CONFIDENCE = 0.95


def statistics(score: Row, effect: Row, count: int, seed: int, resamples: int) -> dict[str, float]:
    """Return each statistic with the ends of its interval; NaN where one side is constant."""
    names = [f"{name}{end}" for name in STATISTICS for end in ("", "_low", "_high")]
    if np.ptp(score) == 0 or np.ptp(effect) == 0:
        return dict.fromkeys(names, float("nan"))
    pairs = RankStatistics(score, effect, count)
    chosen = resamples if score.size <= MANY_UNITS else min(resamples, RESAMPLES_OF_MANY_UNITS)
    interval = scipy.stats.bootstrap(
        (np.arange(score.size),),
        pairs.statistics,
        n_resamples=chosen,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    low, high = np.atleast_1d(interval.low, interval.high)
    triples = zip(pairs.statistics(np.arange(score.size)), low, high, strict=True)
    return dict(zip(names, [float(value) for each in triples for value in each], strict=True))


class RankStatistics:
    """Statistics of two values per unit on resamples of the units, many resamples at once."""

    def __init__(self, score: Row, effect: Row, count: int) -> None:
        self.score, self.effect, self.count = score, effect, count
        self.signs = [
            np.sign(values[:, None] - values).astype(np.float32) for values in (score, effect)
        ]

    def statistics(self, units: NDArray[np.int64], axis: int = -1) -> Row:
        """Return Spearman, Kendall (τ-b) and top overlap; 0 where a resample is constant.

        Shapes: units (…, U) -> (3, …).
        """
        drawn = np.atleast_2d(np.moveaxis(units, axis, -1))
        one, other = self.score[drawn], self.effect[drawn]
        found = np.stack([_spearman(one, other), self._kendall(drawn), self._overlap(one, other)])
        return found.reshape(len(STATISTICS), *units.shape[:-1])

    def _kendall(self, drawn: NDArray[np.int64]) -> Row:
        """Compute τ-b from how often each unit was drawn: concordant minus discordant pairs."""
        resamples, units = drawn.shape
        cells = drawn + units * np.arange(resamples)[:, None]
        times = np.bincount(cells.ravel(), minlength=drawn.size).reshape(drawn.shape)
        often = times.astype(np.float32)
        one, other = self.signs

        def pairs(signs: NDArray[np.float32]) -> Row:
            found: Row = np.einsum("ru,ru->r", often @ signs, often, dtype=np.float64)
            return found

        return _ratio(pairs(one * other), np.sqrt(pairs(one * one) * pairs(other * other)))

    def _overlap(self, one: Row, other: Row) -> Row:
        shared = np.einsum("ru,ru->r", _in_top(one, self.count), _in_top(other, self.count))
        return np.asarray(shared / self.count)


def _spearman(one: Row, other: Row) -> Row:
    x, y = (scipy.stats.rankdata(values, axis=-1) for values in (one, other))
    x, y = (np.asarray(ranks - ranks.mean(axis=-1, keepdims=True)) for ranks in (x, y))
    return _ratio((x * y).sum(axis=-1), np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1)))


def _ratio(above: Row, below: Row) -> Row:
    return np.asarray(np.divide(above, below, out=np.zeros_like(below), where=below > 0))


def _in_top(values: Row, count: int) -> Row:
    """Return 1 in the top, 0 outside; ties at its edge share the remaining places.

    Shapes: (R, U) -> (R, U).
    """
    place = values.shape[-1] - count
    edge = np.partition(values, place, axis=-1)[:, place, None]
    above, level = values > edge, values == edge
    left = count - above.sum(axis=-1, keepdims=True)
    return np.asarray(above + level * (left / level.sum(axis=-1, keepdims=True)))
