"""The luck of choosing: what the best of several tries owes to chance that will not repeat.

A try that is chosen on the selection split was partly lucky there. As far as a student's chance
(its order of examples, its dropout) shows on both splits, the reported value has some of that
luck too; new students would not. All tries share their seeds, so that a seed's own effect favours
none of them.
"""

import numpy as np

from sparsekd.studies.estimates import Array

DRAWS = 2_000
BATCH = 500  # draws at once: 10 000 tries take 40 MB
NEAR = 3.0  # standard errors of a difference to the best, beyond which a try is not the best
SEED = 0


def luck_of_choosing(selected: Array, reported: Array) -> float:
    """Return how much the reported mean of the best selected try owes to luck.

    A parametric bootstrap of the tries that may be the best, those within three standard errors of
    a difference: their means, shrunk towards each other as far as their spread is that of chance
    (empirical Bayes), with the chance of single students drawn anew. The best of each draw is
    chosen, and its luck on the selection split carries over to the reported one by the regression
    of the residuals. A residual is what seed and try do not explain. 0 for one try and for one
    seed, which leave no residuals.

    Args:
        selected: What is chosen by, higher is better. reported: In the same order.

    Shapes: selected, reported (tries, seeds).
    Source: Efron, Journal of the American Statistical Association, 2011 (selection bias and
        empirical Bayes).
    """
    tries, seeds = selected.shape
    freedom = (tries - 1) * (seeds - 1)
    if not freedom:
        return 0.0
    left, other = _residuals(selected), _residuals(reported)
    variance = float((left**2).sum()) / freedom
    if not variance > 0:
        return 0.0
    carried = float((left * other).sum()) / freedom / variance
    means, error = selected.mean(axis=1), float(np.sqrt(variance / seeds))
    means = means[means >= means.max() - NEAR * np.sqrt(2) * error]
    spread = float(means.var(ddof=1)) if len(means) > 1 else 0.0
    kept = max(0.0, 1 - variance / seeds / spread) if spread > 0 else 0.0
    shrunk = means.mean() + kept * (means - means.mean())
    return float(carried * _luck(shrunk, error))


def _luck(means: Array, error: float) -> float:
    """Return the mean error of the best of several noisy means. Shapes: means (tries,)."""
    drawn, total = np.random.default_rng(SEED), 0.0
    for _ in range(0, DRAWS, BATCH):
        noise = drawn.normal(0, error, (BATCH, len(means)))
        best = (means + noise).argmax(axis=1)
        total += float(noise[np.arange(BATCH), best].sum())
    return total / DRAWS


def _residuals(values: Array) -> Array:
    """Return what neither the try nor the seed explains. Shapes: (tries, seeds)."""
    by_try, by_seed = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    return np.asarray(values - by_try - by_seed + values.mean())
