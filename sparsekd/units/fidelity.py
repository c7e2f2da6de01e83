"""How well scores foretell what removing a unit really does, and how sure that is.

A score is worth following if it ranks units as ablation does. Rank correlations and the overlap
of the tops say how far it does; intervals come from resampling the units.

Source: percentile bootstrap: Efron, Tibshirani, An Introduction to the Bootstrap, 1993.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sparsekd.errors import BadInput, Incompatible
from sparsekd.units import harm, masking
from sparsekd.units.ablation import KINDS, Ablation
from sparsekd.units.harm import Measured
from sparsekd.units.masking import share
from sparsekd.units.scores import Matrix, Scores

Ranks = tuple[Matrix, Matrix]
Row = NDArray[np.float64]
Compared = Literal["harm", "size"]

STATISTICS = ("spearman", "kendall", "top_overlap")
TOP = 0.25
RESAMPLES = 1000
MANY = 512  # units; above, a Kendall of pairs costs so much that fewer resamples must do
RESAMPLES_OF_MANY = 200
CONFIDENCE = 0.95
LEAST = 3  # units that have a rank correlation

BETTER = "better than random"
WORSE = "worse than random: it ranks backwards"
NO_BETTER = "no better than random"
UNKNOWN = "cannot be judged: all units are equal"


def rankings(
    scores: Scores,
    lams: Sequence[float] = (0.5,),
    magnitude: Ranks | None = None,
    seed: int = 0,
    normalise: str = "layer",
) -> dict[str, Ranks]:
    """What ranks the units, by name: E, F, K at each λ, magnitude where known, and chance.

    Shapes: each heads (L, H), neurons (L, F).
    """
    found: dict[str, Ranks] = {
        "E": masking.knowledgeableness(scores, 1.0, normalise),
        "F": masking.knowledgeableness(scores, 0.0, normalise),
    }
    for lam in lams:
        found[f"K({lam:g})"] = masking.knowledgeableness(scores, lam, normalise)
    if magnitude is not None:
        found["magnitude"] = magnitude
    layers, heads, neurons = scores.shape
    draws = np.random.default_rng(seed)
    found["random"] = draws.random((layers, heads)), draws.random((layers, neurons))
    return found


def others(name: str, scores: Scores) -> dict[str, Ranks]:
    """A score from elsewhere: one ranking, or two where its halves say different things.

    Values are ranked as they are.
    """
    e = scores.head_expressiveness, scores.neuron_expressiveness
    f = scores.head_friendliness, scores.neuron_friendliness
    same = all(np.array_equal(one, two) for one, two in zip(e, f, strict=True))
    if same or not any(values.any() for values in f):
        return {name: e}
    return {f"{name}, E": e, f"{name}, F": f}


def table(
    ranks: Mapping[str, Ranks],
    truth: Ablation,
    seed: int = 0,
    what: Measured = "head",
    top: float = TOP,
    compared: Compared = "harm",
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """One row per score and measured quantity: each statistic with its interval, and a verdict.

    Args:
        what: Heads, groups of neurons (a group scores the sum of its neurons), or the single
            neurons of the ablated layer.
        top: Share of the units that count as the top.
        compared: "harm" asks whether removal hurts, "size" whether it changes anything.

    Returns:
        score, truth, units, spearman, spearman_low, spearman_high, kendall …, top_overlap …,
        top (units), by_chance (the overlap that chance has), verdict.

    Raises:
        Incompatible: the scores are of another teacher. BadInput: too few units to rank.
    """
    count = _top(truth, what, top)
    rows = []
    for kind in truth.kinds:
        really = actual(truth, what, kind, compared)
        for name, each in ranks.items():
            found = _statistics(scored(each, truth, what, name), really, count, seed, resamples)
            facts = {"score": name, "truth": kind, "units": really.size}
            ends = {"top": count, "by_chance": count / really.size, "verdict": verdict(found)}
            rows.append(facts | found | ends)
    return pd.DataFrame(rows)


def scored(ranks: Ranks, truth: Ablation, what: Measured, name: str = "score") -> Row:
    """One score per removed unit or group, in the order of the ablation.

    Shapes: -> (L·H,), (L·G,) or (F,).
    Raises:
        Incompatible: the score is of another teacher.
    """
    heads, neurons = ranks
    layers, per_layer, width = truth.shape
    if heads.shape != (layers, per_layer) or neurons.shape != (layers, width):
        raise Incompatible(
            f"{name} is of heads {heads.shape} and neurons {neurons.shape}, the ablation of "
            f"{(layers, per_layer)} and {(layers, width)}.",
            "Both must come from one teacher: ablate the teacher that was scored.",
        )
    if what == "head":
        return np.asarray(heads, dtype=np.float64).ravel()
    if what == "neuron":
        return np.asarray(neurons[truth.neuron_layer], dtype=np.float64)
    groups = truth.neuron_groups("task_loss").shape[1]
    cells = truth.groups + groups * np.arange(layers)[:, None]
    sums = np.bincount(cells.ravel(), weights=neurons.ravel(), minlength=layers * groups)
    return np.asarray(sums, dtype=np.float64)


def actual(truth: Ablation, what: Measured, kind: Any, compared: Compared = "harm") -> Row:
    """What the removal did, high is bad; its size alone where only that is compared.

    Shapes: -> (L·H,), (L·G,) or (F,).
    """
    found = np.asarray(harm.harm(truth, what, kind), dtype=np.float64).ravel()
    return np.abs(found) if compared == "size" else found


def verdict(row: Mapping[str, Any]) -> str:
    """Whether the ranking does better than chance, in words, by the interval of Spearman's ρ."""
    if np.isnan(row["spearman"]):
        return UNKNOWN
    if row["spearman_low"] > 0:
        return BETTER
    return WORSE if row["spearman_high"] < 0 else NO_BETTER


def outliers(score: Row, really: Row, most: int = 5) -> NDArray[np.int64]:
    """The units that a score misjudges most: by the distance of their two ranks, largest first.

    Shapes: score, really (U,) -> (min(most, U),).
    """
    apart = np.abs(ranked(score) - ranked(really))
    order: NDArray[np.int64] = np.argsort(-apart, kind="stable")[:most]
    return order


def ranked(values: Row) -> Row:
    """Ranks, 1 for the highest; equals share their mean rank.

    Shapes: (U,) -> (U,).
    """
    return np.asarray(stats.rankdata(-values))


def _top(truth: Ablation, what: Measured, top: float) -> int:
    units = harm.changes(truth, what, KINDS[0]).size
    if units < LEAST:
        raise BadInput(f"{units} units have no rank correlation.", f"It takes at least {LEAST}.")
    return max(1, round(share(top, "top") * units))


# --- statistics ------------------------------------------------------------------------------


def _statistics(score: Row, really: Row, count: int, seed: int, resamples: int) -> dict[str, float]:
    """Each statistic with the ends of its interval; NaN where one side is constant."""
    names = [f"{name}{end}" for name in STATISTICS for end in ("", "_low", "_high")]
    if np.ptp(score) == 0 or np.ptp(really) == 0:
        return dict.fromkeys(names, float("nan"))
    pairs = _Pairs(score, really, count)
    chosen = resamples if score.size <= MANY else min(resamples, RESAMPLES_OF_MANY)
    interval = stats.bootstrap(
        (np.arange(score.size),), pairs.statistics, n_resamples=chosen, vectorized=True,
        confidence_level=CONFIDENCE, method="percentile", rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    values = pairs.statistics(np.arange(score.size))
    triples = zip(values, interval.low, interval.high, strict=True)
    return dict(zip(names, [float(value) for each in triples for value in each], strict=True))


class _Pairs:
    """Two values per unit; statistics of any resample of the units, many resamples at once."""

    def __init__(self, score: Row, really: Row, count: int) -> None:
        self.score, self.really, self.count = score, really, count
        self.signs = [
            np.sign(values[:, None] - values).astype(np.float32) for values in (score, really)
        ]

    def statistics(self, units: NDArray[np.int64], axis: int = -1) -> Row:
        """Spearman, Kendall (τ-b) and top overlap; 0 where a resample happens to be constant.

        Shapes: units (…, U) -> (3, …).
        """
        drawn = np.atleast_2d(np.moveaxis(units, axis, -1))
        one, other = self.score[drawn], self.really[drawn]
        found = np.stack([_spearman(one, other), self._kendall(drawn), self._overlap(one, other)])
        return found.reshape(len(STATISTICS), *units.shape[:-1])

    def _kendall(self, drawn: NDArray[np.int64]) -> Row:
        """From how often each unit was drawn: pairs of equal signs count up, opposite ones down."""
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
    x, y = (stats.rankdata(values, axis=-1) for values in (one, other))
    x, y = (np.asarray(ranks - ranks.mean(axis=-1, keepdims=True)) for ranks in (x, y))
    return _ratio((x * y).sum(axis=-1), np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1)))


def _ratio(above: Row, below: Row) -> Row:
    return np.asarray(np.divide(above, below, out=np.zeros_like(below), where=below > 0))


def _in_top(values: Row, count: int) -> Row:
    """1 in the top, 0 outside; equals at its edge share the places that are left.

    Shapes: (R, U) -> (R, U).
    """
    place = values.shape[-1] - count
    edge = np.partition(values, place, axis=-1)[:, place, None]
    above, level = values > edge, values == edge
    left = count - above.sum(axis=-1, keepdims=True)
    return np.asarray(above + level * (left / level.sum(axis=-1, keepdims=True)))
