"""The one rule by which students are compared: paired tests over seeds, corrected, in words.

A two-sided t test of the paired differences, whose error is that over seeds and over examples, at
least the sign test where all of them are equal; Holm's correction for every comparison that a study
plans, finished or not; five seeds at least. Each interval has the confidence level at which Holm's
procedure tests its comparison: from five seeds on it excludes 0 exactly where the verdict is
"better" or "worse".
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TypeVar

import pandas as pd

from sparsekd.studies import stats
from sparsekd.studies.stats import ALPHA, LEAST_SEEDS, Sample
from sparsekd.tasks import metrics

Name = TypeVar("Name", bound=Hashable)

BETTER, WORSE, INCONCLUSIVE = "better", "worse", "inconclusive"


@dataclass(frozen=True)
class Verdict:
    """The result of one paired comparison, with the numbers that it rests on.

    `difference` is the mean over `seeds` pairs, `low` to `high` its t interval of the given
    `confidence`; NaN where all differences are equal, since their spread is then unknown.
    `seed_error` and `example_error` are its standard errors over seeds and over examples; the
    latter is NaN where the answers to the examples are not known, and the verdict is then about
    these very examples. `p_corrected` decides; it is NaN below five seeds. `wins` counts the seeds
    in which the difference is for the better. `verdict` is better, worse or inconclusive; `reason`
    says why it is inconclusive.
    """

    difference: float
    low: float
    high: float
    confidence: float
    p: float
    p_corrected: float
    seeds: int
    wins: int
    seed_error: float
    example_error: float
    verdict: str
    reason: str = ""

    @property
    def words(self) -> str:
        """The verdict with its reason."""
        return f"{self.verdict}: {self.reason}" if self.reason else self.verdict


COLUMNS = (*(field.name for field in fields(Verdict)), "words")


def verdicts(
    pairs: Mapping[Name, tuple[Sample, Sample]],
    planned: Iterable[Name],
    metric: str,
) -> dict[Name, Verdict]:
    """Return the verdict of each comparison, corrected for all that are planned.

    Args:
        pairs: By the name of a comparison, both sides by seed. Seeds that only one side has are
            left out. Each difference is the first side minus the second.
        planned: The names of all comparisons of the study, finished or not: an early look, or a
            look at fewer of them, makes nothing significant.
    """
    gaps = {name: ours.minus(theirs) for name, (ours, theirs) in pairs.items()}
    names = list(dict.fromkeys([*planned, *gaps]))
    p = {name: stats.paired_test(each) for name, each in gaps.items()}
    tested = [p[name] if _enough(gaps.get(name)) else math.nan for name in names]
    corrected, confidence = stats.holm(tested), stats.holm_confidence(tested)
    lower = metrics.lower_is_better(metric)
    tests = zip(names, corrected.tolist(), confidence.tolist(), strict=True)
    return {
        name: _verdict(gaps[name], p[name], adjusted, level, len(names), lower)
        for name, adjusted, level in tests
        if name in gaps
    }


def _enough(gaps: Sample | None) -> bool:
    """Return whether there are enough seeds for a verdict; below, a comparison is unfinished."""
    return gaps is not None and len(gaps.values) >= LEAST_SEEDS


def _verdict(
    gaps: Sample, p: float, corrected: float, level: float, comparisons: int, lower_is_better: bool
) -> Verdict:
    values = gaps.values.to_numpy(dtype=float)
    found = gaps.estimate()
    constant = len(values) > 0 and stats.constant(values)
    low, high = (math.nan, math.nan) if constant else found.interval(level)
    word, reason = INCONCLUSIVE, _reason(values, p, comparisons)
    if corrected < ALPHA:
        word, reason = (BETTER if (found.mean < 0) == lower_is_better else WORSE), ""
    return Verdict(
        difference=found.mean,
        low=low,
        high=high,
        confidence=level,
        p=p,
        p_corrected=corrected,
        seeds=len(values),
        wins=int(((values < 0) if lower_is_better else (values > 0)).sum()),
        seed_error=found.seed_error,
        example_error=found.example_error,
        verdict=word,
        reason=reason,
    )


def _reason(gaps: stats.Array, p: float, comparisons: int) -> str:
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
    """Return interval, what it is for, seeds and corrected p in words, as far as they are known."""
    words = []
    if math.isfinite(result.low):
        ends = f"{result.low:+.{digits}f} to {result.high:+.{digits}f}"
        words.append(f"{100 * result.confidence:.4g} % interval {ends} {scope(result)}")
    words.append(f"{result.seeds} seed{'' if result.seeds == 1 else 's'}")
    if math.isfinite(result.p_corrected):
        words.append(f"corrected p = {result.p_corrected:.2g}")
    return ", ".join(words)


def scope(result: Verdict) -> str:
    """Return what a verdict generalises to."""
    if math.isnan(result.example_error):
        return "for new seeds, on these examples and with this teacher"
    return "for new seeds and examples, with this teacher"
