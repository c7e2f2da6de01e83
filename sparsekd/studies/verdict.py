"""The one rule by which students are compared: paired tests over seeds, corrected, in words.

A two-sided t test of the paired differences, or the sign test where all of them are equal; Holm's
correction for every comparison that a study plans, finished or not; five seeds at least. Each
interval has the confidence level at which Holm's procedure tests its comparison: from five seeds
on it excludes 0 exactly where the verdict is "better" or "worse".
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TypeVar

import numpy as np
import pandas as pd

from sparsekd.studies import stats
from sparsekd.studies.stats import ALPHA, LEAST_SEEDS, MOST_SEEDS, Array
from sparsekd.tasks import metrics

Name = TypeVar("Name", bound=Hashable)

BETTER, WORSE, INCONCLUSIVE = "better", "worse", "inconclusive"


@dataclass(frozen=True)
class Verdict:
    """The result of one paired comparison, with the numbers that it rests on.

    `difference` is the mean over `seeds` pairs, `low` to `high` its t interval of the given
    `confidence`; NaN where all differences are equal, since their spread is then unknown.
    `p_corrected` decides; it is NaN below five seeds. `wins` counts the seeds in which the
    difference is for the better. `needed_seeds` is NaN where it is unknown or above
    `stats.MOST_SEEDS`. `verdict` is better, worse or inconclusive; `reason` says why it is
    inconclusive, or what limits it.
    """

    difference: float
    low: float
    high: float
    confidence: float
    p: float
    p_corrected: float
    seeds: int
    wins: int
    needed_seeds: float
    verdict: str
    reason: str = ""

    @property
    def words(self) -> str:
        """The verdict with its reason."""
        return f"{self.verdict}: {self.reason}" if self.reason else self.verdict


COLUMNS = (*(field.name for field in fields(Verdict)), "words")


def verdicts(
    pairs: Mapping[Name, tuple[pd.Series, pd.Series]],
    planned: Iterable[Name],
    metric: str,
) -> dict[Name, Verdict]:
    """Return the verdict of each comparison, corrected for all that are planned.

    Args:
        pairs: By the name of a comparison, the values of both sides by seed. Seeds that only one
            side has are left out. Each difference is the first side minus the second.
        planned: The names of all comparisons of the study, finished or not: an early look, or a
            look at fewer of them, makes nothing significant.
    """
    gaps = {name: _differences(*pair) for name, pair in pairs.items()}
    names = list(dict.fromkeys([*planned, *gaps]))
    p = {name: float(stats.paired_test(each)) for name, each in gaps.items()}
    tested = [p[name] if _enough(gaps.get(name)) else math.nan for name in names]
    corrected, confidence = stats.holm(tested), stats.holm_confidence(tested)
    lower = metrics.lower_is_better(metric)
    tests = zip(names, corrected.tolist(), confidence.tolist(), strict=True)
    return {
        name: _verdict(gaps[name], p[name], adjusted, level, len(names), lower)
        for name, adjusted, level in tests
        if name in gaps
    }


def _enough(gaps: Array | None) -> bool:
    """Return whether there are enough seeds for a verdict; below, a comparison is unfinished."""
    return gaps is not None and len(gaps) >= LEAST_SEEDS


def _differences(ours: pd.Series, theirs: pd.Series) -> Array:
    """Return the paired differences. Shapes: (seeds,), (seeds,) -> (seeds of both,)."""
    return np.asarray((ours - theirs).dropna(), dtype=np.float64)


def _verdict(
    gaps: Array, p: float, corrected: float, level: float, comparisons: int, lower_is_better: bool
) -> Verdict:
    constant = len(gaps) > 0 and bool(stats.constant(gaps))
    low, high = (math.nan, math.nan) if constant else stats.interval(gaps, level)
    mean = float(gaps.mean()) if len(gaps) else math.nan
    needed = stats.needed_seeds(gaps, comparisons)
    word, reason = INCONCLUSIVE, _reason(gaps, p, comparisons)
    if corrected < ALPHA:
        word, reason = (BETTER if (mean < 0) == lower_is_better else WORSE), ""
    return Verdict(
        difference=mean,
        low=low,
        high=high,
        confidence=level,
        p=p,
        p_corrected=corrected,
        seeds=len(gaps),
        wins=int(((gaps < 0) if lower_is_better else (gaps > 0)).sum()),
        needed_seeds=needed if math.isfinite(needed) else math.nan,
        verdict=word,
        reason=reason,
    )


def _reason(gaps: Array, p: float, comparisons: int) -> str:
    """Return why a comparison is inconclusive."""
    if len(gaps) < LEAST_SEEDS:
        return f"{len(gaps)} of at least {LEAST_SEEDS} seeds"
    if p == 1 and stats.constant(gaps):
        return "no difference in any seed"
    if p < ALPHA:
        return f"not significant after correction for {comparisons} comparisons"
    if stats.constant(gaps):
        return f"the same difference in all {len(gaps)} seeds, p = {p:.2g} by the sign test"
    return "not significant"


# --- tables and words ------------------------------------------------------------------------


def table(results: Mapping[str, Verdict], key: str, title: Callable[[str], str]) -> pd.DataFrame:
    """Return one row per comparison: its name in column `key`, title in `what`, `COLUMNS`."""
    rows = [
        {key: name, "what": title(name)} | asdict(each) | {"words": each.words}
        for name, each in results.items()
    ]
    return pd.DataFrame(rows, columns=[key, "what", *COLUMNS])


def evidence(result: Verdict, digits: int = 4) -> str:
    """Return interval, seeds and corrected p in words, as far as they are known."""
    words = []
    if math.isfinite(result.low):
        ends = f"{result.low:+.{digits}f} to {result.high:+.{digits}f}"
        words.append(f"{100 * result.confidence:.4g} % interval {ends}")
    words.append(f"{result.seeds} seed{'' if result.seeds == 1 else 's'}")
    if math.isfinite(result.p_corrected):
        words.append(f"corrected p = {result.p_corrected:.2g}")
    return ", ".join(words)


def needed_in_words(result: Verdict) -> str:
    """Return how many seeds would decide an inconclusive comparison; empty where none would."""
    if result.verdict != INCONCLUSIVE or result.seeds < 2 or result.difference == 0:
        return ""
    if math.isnan(result.needed_seeds):
        return f"a difference this small would take more than {MOST_SEEDS:,} seeds to detect"
    return f"about {result.needed_seeds:,.0f} seeds would detect a difference of this size"
