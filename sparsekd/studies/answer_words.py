"""Agreement, calibration and changes of classes as sentences."""

import math

import pandas as pd

from sparsekd.studies import stats, verdict
from sparsekd.studies.class_changes import Transition
from sparsekd.studies.study_wording import role_in_sentence
from sparsekd.studies.verdict import BETTER, WORSE
from sparsekd.system.wording import counted, signed
from sparsekd.tasks import classes, metrics

LISTED = 6  # names in one sentence


def agreement_in_words(verdicts: pd.DataFrame) -> str:
    """Return which students are more like the dense teacher than the one with no soft labels.

    Args:
        verdicts: The frame of `teacher_agreement.verdicts`.
    """
    if verdicts.empty:
        return "There is no student with no soft labels to compare the agreement with."
    heads = {
        BETTER: "Agree with the dense teacher beyond what their accuracy explains, more than the "
        "student with no soft labels does",
        WORSE: "Agree with it less than the student with no soft labels does, their accuracies "
        "allowed for",
        verdict.INCONCLUSIVE: "Agreement beyond accuracy, inconclusive against the student with "
        "no soft labels",
    }
    parts = []
    for name, head in heads.items():
        rows = verdicts[verdicts["verdict"] == name].sort_values("difference", ascending=False)
        listed = [f"{row['what']} ({_points(row['difference'])})" for _, row in rows.iterrows()]
        if listed:
            parts.append(f"{head}: {_some(listed)}.")
    if (verdicts["seeds"] < stats.LEAST_SEEDS).all():
        seeds = int(verdicts["seeds"].max())
        parts.append(f"{counted(seeds, 'seed')} of at least {stats.LEAST_SEEDS}: no verdict yet.")
    return " ".join(parts)


def calibration_in_words(summary: pd.DataFrame) -> str:
    """Return who is the best and the worst calibrated, and what a temperature mends.

    Args:
        summary: The frame of `calibration_tables.summary`.
    """
    if summary.empty:
        return "Numbers have no calibration."
    order = summary.sort_values("error", kind="stable")
    ends = [order.iloc[0], order.iloc[-1]]
    words = [f"{row['what']} {row['error']:.3f} (by chance {row['chance']:.3f})" for row in ends]
    text = f"Smallest calibration error: {words[0]}; largest: {words[1]}."
    scaled = summary["error_scaled"]
    if scaled.notna().all():
        text += f" With a temperature from the selection split: {scaled.min():.3f} to "
        text += f"{scaled.max():.3f}."
    return text


def change_in_words(pair: Transition, changes: pd.DataFrame, means: pd.DataFrame) -> str:
    """Return the change of the accuracy, and the class that loses most.

    Args:
        changes: The frame of `class_changes.changes`.
        means: That of `class_changes.mean_changes`.
    """
    title = f"From the {role_in_sentence(pair.before)} to the {role_in_sentence(pair.after)}"
    known = changes.dropna(subset=["difference"])
    if known.empty:
        return f"{title}: not both are finished."
    parts = [
        f"{_inside(metrics.title(str(row['label'])))} {_points(row['difference'])}"
        for _, row in means.iterrows()
    ]
    worst = known.iloc[0]
    lead = f"{title}: {', '.join(parts)}." if parts else f"{title}."
    if worst["difference"] >= 0:
        return f"{lead} No class loses on average."
    return f"{lead} “{worst['label']}” loses most: {_class(worst)}."


def _class(row: pd.Series) -> str:
    """Return a class's change with its evidence: "−3.1 points (recall …), inconclusive: …"."""
    few = ", few" if row["examples"] < classes.FEW else ""
    words = f"{_points(row['difference'])}, {counted(int(row['examples']), 'example')}{few}"
    if math.isfinite(row["low"]):
        ends = f"{signed(100 * row['low'], 1)} to {signed(100 * row['high'], 1)}"
        words += f", {100 * row['confidence']:.4g}% interval {ends}"
    return f"{words} ({row['words']})"


def few_in_words(sizes: pd.Series) -> str:
    """Return which classes have few examples; "" where none has.

    Args:
        sizes: Examples by class.
    """
    few = sizes[(sizes < classes.FEW)]
    if few.empty:
        return ""
    listed = [f"{name} ({size})" for name, size in few.items()]
    return (
        f"Few examples: {_some(listed)}. Of n examples one is 100 / n points; the intervals are "
        "for new seeds and examples, but of so few examples they are rough."
    )


def _some(names: list[str]) -> str:
    more = len(names) - LISTED
    return "; ".join(names[:LISTED]) + (f"; and {more} more" if more > 0 else "")


def _points(difference: float) -> str:
    return f"{signed(100 * difference, 1)} points"


def _inside(title: str) -> str:
    """Return a title as it stands inside a sentence."""
    return title[0].lower() + title[1:]
