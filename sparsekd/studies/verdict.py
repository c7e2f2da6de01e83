"""The one rule by which students are compared: paired tests over seeds, corrected, in words.

A two-sided t test of the paired differences, whose error is that over seeds and over examples, at
least the sign test where all of them are equal; Holm's correction for every comparison that a study
plans, finished or not; five seeds at least. Of several teachers the means over them are paired by
seed, and the error is that over teachers too. Each interval has the confidence level at which
Holm's procedure tests its comparison: from five seeds on it excludes 0 exactly where the verdict
is "better" or "worse".
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TypeVar

import pandas as pd
import scipy

from sparsekd.studies import stats
from sparsekd.studies.estimates import UNBOUNDED, Bounds, Sample
from sparsekd.studies.stats import ALPHA, LEAST_SEEDS
from sparsekd.system.wording import counted
from sparsekd.tasks import metrics

Name = TypeVar("Name", bound=Hashable)

BETTER, WORSE, INCONCLUSIVE = "better", "worse", "inconclusive"
LIKENESS = "likeness"
"""Agreement beyond that of independent errors, which is compared like a metric."""


@dataclass(frozen=True)
class Verdict:
    """The result of one paired comparison, with the numbers that it rests on.

    `difference` is the mean over `seeds` pairs, `low` to `high` its t interval of the given
    `confidence`; NaN where all differences are equal, since their spread is then unknown.
    `seed_error`, `example_error` and `teacher_error` are its standard errors over seeds, examples
    and teachers. The second is NaN where the answers to the examples are not known, and the verdict
    is then about these very examples; the third is NaN of one teacher, and the verdict is then
    about this one. `p_corrected` decides; it is NaN below five seeds. `wins` counts the seeds
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
    teacher_error: float
    teachers: int
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
    tests = zip(names, corrected.tolist(), confidence.tolist(), strict=True)
    return {
        name: _verdict(gaps[name], p[name], adjusted, level, len(names), metric)
        for name, adjusted, level in tests
        if name in gaps
    }


def _enough(gaps: Sample | None) -> bool:
    """Return whether there are enough seeds for a verdict; below, a comparison is unfinished."""
    return gaps is not None and len(gaps.values) >= LEAST_SEEDS


def _bounds(metric: str) -> Bounds:
    """Return the lowest and the highest possible difference of a metric."""
    if metric == LIKENESS:
        return UNBOUNDED
    lowest, highest = metrics.bounds(metric)
    return lowest - highest, highest - lowest


def _verdict(
    gaps: Sample, p: float, corrected: float, level: float, comparisons: int, metric: str
) -> Verdict:
    lower_is_better = metrics.lower_is_better(metric)
    values = gaps.values.to_numpy(dtype=float)
    found = gaps.estimate()
    constant = len(values) > 0 and gaps.constant
    low, high = (math.nan, math.nan) if constant else found.interval(level, _bounds(metric))
    word, reason = INCONCLUSIVE, _reason(gaps, p, comparisons)
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
        teacher_error=found.teacher_error,
        teachers=found.teachers,
        verdict=word,
        reason=reason,
    )


def _reason(gaps: Sample, p: float, comparisons: int) -> str:
    """Return why a comparison is inconclusive."""
    seeds = len(gaps.values)
    if seeds < LEAST_SEEDS:
        return f"{seeds} of at least {LEAST_SEEDS} seeds"
    if p == 1 and gaps.constant:
        return "no difference in any seed"
    if p < ALPHA:
        return f"not significant after correction for {comparisons} comparisons"
    if gaps.constant:
        return f"the same difference in all {seeds} seeds, p = {p:.2g} by the sign test"
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
        level = f"{100 * result.confidence:.4g}% interval"
        words.append(f"{level} {ends} {scope(result.teachers, result.example_error)}")
    words.append(counted(result.seeds, "seed") + teachers_in_words(result.teachers))
    if math.isfinite(result.p_corrected):
        words.append(f"corrected p = {result.p_corrected:.2g}")
    return ", ".join(words)


def scope(teachers: int, example_error: float) -> str:
    """Return what a verdict generalises to: see `Verdict`."""
    several, known = teachers > 1, not math.isnan(example_error)
    new = [*["teachers"] * several, "seeds", *["examples"] * known]
    fixed = [*["on these examples"] * (not known), *["with this teacher"] * (not several)]
    words = f"for new {', '.join(new[:-1])} and {new[-1]}" if len(new) > 1 else f"for new {new[0]}"
    return f"{words}, {' and '.join(fixed)}" if fixed else words


def teachers_in_words(teachers: int) -> str:
    """Return on how many teachers a verdict rests: " of each of 3 teachers"; "" for one."""
    return f" of each of {teachers} teachers" if teachers > 1 else ""


def few_teachers(teachers: int) -> str:
    """Return what few teachers cannot tell, as a sentence; "" for one, and for five or more."""
    if not 1 < teachers < LEAST_SEEDS:
        return ""
    freedom = counted(teachers - 1, "degree of freedom", "degrees of freedom")
    errors = scipy.stats.t.isf(ALPHA / 2, teachers - 1)
    return (
        f"{teachers} teachers say little about new ones. Their spread has {freedom}: a difference "
        f"must exceed {errors:.1f} standard errors over teachers, and more after correction."
    )
