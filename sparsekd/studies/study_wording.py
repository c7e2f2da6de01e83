"""Verdicts of studies and comparisons as sentences."""

from dataclasses import dataclass

import pandas as pd

from sparsekd.studies import roles, verdict
from sparsekd.studies.stats import LEAST_SEEDS
from sparsekd.studies.study_metric import StudyMetric
from sparsekd.studies.verdict import BETTER, INCONCLUSIVE, WORSE
from sparsekd.system.wording import signed
from sparsekd.tasks import metrics


@dataclass(frozen=True)
class Statement:
    """A sentence, and the verdict that it gives: better, worse, inconclusive or none yet ("")."""

    verdict: str
    text: str


def difference_in_words(metric: str, difference: float) -> str:
    """Return the size of a difference in points (hundredths), or as it is for a loss."""
    if metric == "loss":
        return f"{abs(difference):.3f}"
    return f"{abs(100 * difference):.1f} points"


def role_in_sentence(role: str) -> str:
    """Return a role's title as it stands inside a sentence."""
    words = roles.title(role)
    return words if words[1:2].isupper() else words[0].lower() + words[1:]  # TF-IDF stays


def model_title(name: str) -> str:
    """Return the title of "student, seed 0"."""
    role, _, seed = name.partition(", ")
    return f"{roles.title(role)}, {seed}"


# --- a study ---------------------------------------------------------------------------------


def study_statements(found: StudyMetric) -> list[Statement]:
    """Return the verdict against each control, the first one with its evidence."""
    table = found.control_verdicts()
    if table.empty:
        return [Statement("", "No verdict yet: not all students are finished.")]
    first, *others = [row for _, row in table.iterrows()]
    words = f"{_control_sentence(found, first)} {_verdict(found.metric, first, True)}"
    return [
        Statement(str(first["verdict"]), words),
        *(
            Statement(
                str(row["verdict"]),
                f"{_difference(found, row)}. {_verdict(found.metric, row, False)}",
            )
            for row in others
        ),
    ]


def _control_sentence(found: StudyMetric, row: pd.Series) -> str:
    difference = _difference(found, row)
    difference = difference[0].lower() + difference[1:]
    mean = f"on average over {row['seeds']} seeds " if row["seeds"] > 1 else ""
    return f"{found.title}: the student of the sparse teacher is {mean}{difference}."


def _difference(found: StudyMetric, row: pd.Series) -> str:
    """Return the size and the side of a difference: "3.0 points above the trial student"."""
    difference, control = float(row["difference"]), f"the {role_in_sentence(str(row['control']))}"
    if difference == 0:
        return f"Equal to {control}"
    side = "above" if difference > 0 else "below"
    return f"{difference_in_words(found.metric, difference)} {side} {control}"


def _verdict(metric: str, row: pd.Series, with_evidence: bool) -> str:
    """Return the verdict with its reason and, from enough seeds on, its evidence."""
    words = str(row["words"])
    words = words[0].upper() + words[1:]
    if not with_evidence or row["seeds"] < LEAST_SEEDS:
        return f"{words}."
    numbers = [f"{row['seeds']} seeds", f"corrected p = {row['p_corrected']:.2g}"]
    if pd.notna(row["low"]):
        level = f"{100 * row['confidence']:.4g}%"
        numbers.insert(0, f"{level} interval {_interval(metric, row['low'], row['high'])}")
    return f"{words} ({', '.join(numbers)})."


def _interval(metric: str, low: float, high: float) -> str:
    if metric == "loss":
        return f"{signed(low, 3)} to {signed(high, 3)}"
    return f"{signed(100 * low, 1)} to {signed(100 * high, 1)} points"


# --- a comparison ----------------------------------------------------------------------------


def comparison_statements(found: StudyMetric, gaps: pd.DataFrame, against: str) -> list[Statement]:
    """Return which variants are better than one of them, which worse, which inconclusive.

    Args:
        gaps: The frame of `comparison_results.differences`.
    """
    baseline = role_in_sentence(against)
    if gaps.empty:
        return [Statement("", f"No verdict yet: {baseline} and another variant are needed.")]
    seeds = int(gaps["seeds"].max())
    if seeds < LEAST_SEEDS:
        words = f"{_leader(found, gaps, baseline)} Inconclusive: {seeds} of at least "
        return [Statement(INCONCLUSIVE, f"{words}{LEAST_SEEDS} seeds.")]
    heads = {
        BETTER: f"Better than {baseline} in {found.title.lower()}",
        WORSE: f"Worse than {baseline} in {found.title.lower()}",
        INCONCLUSIVE: f"Inconclusive against {baseline}",
    }
    return [
        Statement(verdict, f"{head}: {_listed(found.metric, gaps[gaps['verdict'] == verdict])}.")
        for verdict, head in heads.items()
        if (gaps["verdict"] == verdict).any()
    ]


def _leader(found: StudyMetric, gaps: pd.DataFrame, baseline: str) -> str:
    """Return the best mean difference as a sentence."""
    lower = metrics.lower_is_better(found.metric)
    best = gaps.sort_values("difference", ascending=lower, kind="stable").iloc[0]
    difference, what = float(best["difference"]), best["what"]
    size = difference_in_words(found.metric, difference)
    if difference == 0:
        return f"{found.title}: no mean is better than {baseline}; {what} equals it."
    side = "below" if difference < 0 else "above"
    if (difference < 0) == lower:
        return f"{found.title}: the best mean, {what}, is {size} {side} {baseline}."
    return f"{found.title}: no mean is better than {baseline}; {what} is {size} {side} it."


def _listed(metric: str, gaps: pd.DataFrame) -> str:
    """Return variants with their differences, the best first."""
    rows = gaps.sort_values("difference", ascending=metrics.lower_is_better(metric))
    signs = ["+" if gap > 0 else "−" if gap < 0 else "±" for gap in rows["difference"]]
    return "; ".join(
        f"{what} ({sign}{difference_in_words(metric, gap)})"
        for what, sign, gap in zip(rows["what"], signs, rows["difference"], strict=True)
    )


def scope_in_words(gaps: pd.DataFrame) -> str:
    """Return how verdicts were tested and what they generalise to, in one or two sentences.

    It says why there is none below five seeds.

    Args:
        gaps: The frame of `comparison_results.differences`.
    """
    decided = gaps[gaps["p_corrected"].notna()]
    if decided.empty:
        return f"Below {LEAST_SEEDS} seeds there is no verdict."
    teachers, example_error = int(decided["teachers"].max()), float(decided["example_error"].max())
    paired = "Paired over seeds"
    if teachers > 1:
        paired = f"Means over {teachers} teachers, paired over seeds"
    words = (
        f"{paired}, two-sided t test, Holm's correction for all planned comparisons, finished or "
        f"not. The verdict is {verdict.scope(teachers, example_error)}."
    )
    return f"{words} {verdict.few_teachers(teachers)}".strip()


def teacher_values(found: StudyMetric) -> str:
    """Return the means of the teachers of a comparison as a sentence."""
    values = found.values
    teachers = values[[not roles.is_compared(role) for role in values["role"]]]
    means = teachers.groupby("role", sort=False)["value"].mean()
    words = [f"{roles.title(str(role))} {value:.3f}" for role, value in means.items()]
    return f"{found.title} of the teachers: {', '.join(words) or 'unknown yet'}."
