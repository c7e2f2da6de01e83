"""How well scores predict the measured effect of removing a unit, with confidence intervals.

A score is useful if it ranks units as ablation does. Rank correlations and the overlap of the top
units measure that; intervals come from bootstrapping the units.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from sparsekd.catalog import rankings
from sparsekd.catalog.rankings import RANDOM, E, F, K
from sparsekd.errors import BadInput, Incompatible
from sparsekd.units import harm, masking, rank_statistics
from sparsekd.units.ablation import MEASURES, Ablation
from sparsekd.units.harm import Granularity
from sparsekd.units.masking import checked_share
from sparsekd.units.rank_statistics import Row
from sparsekd.units.scores import Matrix, Scores

Ranks = tuple[Matrix, Matrix]
Compared = Literal["harm", "size"]

TOP = 0.25
RESAMPLES = 1000
FEWEST_UNITS = 3  # with a rank correlation

BETTER = "better than random"
WORSE = "worse than random: it ranks backwards"
NO_BETTER = "no better than random"
UNKNOWN = "cannot be judged: all units are equal"


def all_rankings(
    scores: Scores,
    lams: Sequence[float] = (0.5,),
    weights: Mapping[str, Ranks] | None = None,
    seed: int = 0,
    normalise: str = "layer",
) -> dict[str, Ranks]:
    """Return every ranking by its symbol: E, F, K at each λ, those of the weights, and random.

    Args:
        weights: Rankings of the teacher's weights, by name.
        seed: Of the random ranking.

    Shapes: each heads (L, H), neurons (L, F).
    """
    found: dict[str, Ranks] = {
        E.symbol: masking.knowledgeableness(scores, 1.0, normalise),
        F.symbol: masking.knowledgeableness(scores, 0.0, normalise),
    }
    for lam in lams:
        found[f"{K.symbol}({lam:g})"] = masking.knowledgeableness(scores, lam, normalise)
    for name, each in (weights or {}).items():
        found[rankings.find(name).symbol] = each
    return found | {RANDOM.symbol: masking.random_ranks(scores.shape, seed)}


def rankings_of(name: str, scores: Scores) -> dict[str, Ranks]:
    """Return the ranking of a score file, or two where its two halves differ.

    Values are used as they are.
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
    granularity: Granularity = "head",
    top: float = TOP,
    compared: Compared = "harm",
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Compare every score with every measure: statistics with intervals, and a verdict.

    Args:
        granularity: Heads, groups of neurons (a group scores the sum of its neurons), or the single
            neurons of the ablated layer.
        top: Share of the units that count as the top.
        compared: "harm" compares with the harm of removal, "size" with the size of the change.

    Returns:
        score, truth, units, spearman, spearman_low, spearman_high, kendall …, top_overlap …,
        top (units), by_chance (the expected overlap of a random score), verdict.

    Raises:
        Incompatible: the scores are of another teacher. BadInput: too few units to rank.
    """
    count = _top(truth, granularity, top)
    rows = []
    for measure in truth.measures:
        effect = effects_of_removals(truth, granularity, measure, compared)
        for name, each in ranks.items():
            score = scores_of_removals(each, truth, granularity, name)
            found = rank_statistics.statistics(score, effect, count, seed, resamples)
            facts = {"score": name, "truth": measure, "units": effect.size}
            ends = {"top": count, "by_chance": count / effect.size, "verdict": verdict(found)}
            rows.append(facts | found | ends)
    return pd.DataFrame(rows)


def scores_of_removals(
    ranks: Ranks, truth: Ablation, granularity: Granularity, name: str = "score"
) -> Row:
    """Return one score per removed unit or group, in the order of the ablation.

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
    if granularity == "head":
        return np.asarray(heads, dtype=np.float64).ravel()
    if granularity == "neuron":
        return np.asarray(neurons[truth.neuron_layer], dtype=np.float64)
    groups = truth.neuron_groups("task_loss").shape[1]
    cells = truth.groups + groups * np.arange(layers)[:, None]
    sums = np.bincount(cells.ravel(), weights=neurons.ravel(), minlength=layers * groups)
    return np.asarray(sums, dtype=np.float64)


def effects_of_removals(
    truth: Ablation, granularity: Granularity, measure: Any, compared: Compared = "harm"
) -> Row:
    """Return the harm of each removal, or the size of its change.

    Shapes: -> (L·H,), (L·G,) or (F,).
    """
    found = np.asarray(harm.harms(truth, granularity, measure), dtype=np.float64).ravel()
    return np.abs(found) if compared == "size" else found


def verdict(row: Mapping[str, Any]) -> str:
    """Return whether the ranking is better than random, by the interval of Spearman's ρ."""
    if np.isnan(row["spearman"]):
        return UNKNOWN
    if row["spearman_low"] > 0:
        return BETTER
    return WORSE if row["spearman_high"] < 0 else NO_BETTER


def outliers(score: Row, effect: Row, most: int = 5) -> NDArray[np.int64]:
    """Return the units whose two ranks differ most, the largest difference first.

    Shapes: score, effect (U,) -> (min(most, U),).
    """
    apart = np.abs(ranks_of(score) - ranks_of(effect))
    order: NDArray[np.int64] = np.argsort(-apart, kind="stable")[:most]
    return order


def ranks_of(values: Row) -> Row:
    """Return ranks, 1 for the highest; ties get their mean rank.

    Shapes: (U,) -> (U,).
    """
    return np.asarray(scipy.stats.rankdata(-values))


def _top(truth: Ablation, granularity: Granularity, top: float) -> int:
    units = harm.changes(truth, granularity, MEASURES[0]).size
    if units < FEWEST_UNITS:
        raise BadInput(
            f"{units} units have no rank correlation.", f"It takes at least {FEWEST_UNITS}."
        )
    return max(1, round(checked_share(top, "top") * units))
