"""Tables of a comparison: its variants with verdicts and costs; the students that are missing."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sparsekd.runs import activity, store
from sparsekd.runs.records import Plan
from sparsekd.studies import results, roles
from sparsekd.studies.comparisons import comparison_results
from sparsekd.studies.comparisons.comparison_results import COSTS
from sparsekd.studies.study_metric import Level, intervals

COLUMNS = (
    *("what", "mean", "difference", "verdict", *COSTS, "wins", "interval", "gap"),
    *("confidence", "p_corrected", "seeds"),
)


def variant_table(
    plan: Plan, means: pd.DataFrame, gaps: pd.DataFrame, teachers: pd.DataFrame
) -> pd.DataFrame:
    """Return one row per variant: mean, difference with verdict, and costs.

    Args:
        means: The rows of `StudyMetric.ranking`, whose order is kept.
        gaps: The frame of `comparison_results.differences`.
        teachers: That of `results.teacher_means`, whose columns stand in the table too.
    """
    names = {"low": "gap_low", "high": "gap_high"}
    columns = ["role", "difference", *names.values(), "confidence", "p_corrected"]
    paired = gaps.rename(columns=names)[[*columns, "wins", "words"]]
    found = means.drop(columns=["seconds", "parameters"]).merge(paired, on="role", how="left")
    found = found.merge(teachers, on="role", how="left")
    return found.merge(comparison_results.costs(plan)[["role", *COSTS]], on="role", how="left")


def readable(found: pd.DataFrame, majority: Level | None = None) -> pd.DataFrame:
    """Return the table of variants with intervals, wins and verdicts in words; see `COLUMNS`.

    The means with each teacher stand beside their mean, where there are several. The last row is
    the majority baseline, where there is one.
    """
    found = majority.below(found) if majority else found
    shown = found.assign(
        verdict=found["words"].fillna("–"),
        interval=intervals(found["low"], found["high"]),
        gap=intervals(found["gap_low"], found["gap_high"], "+"),
        wins=[
            f"{int(wins)} of {seeds}" if pd.notna(wins) else "–"
            for wins, seeds in zip(found["wins"], found["seeds"], strict=True)
        ],
    )
    what, mean, *others = COLUMNS
    return shown[[what, mean, *results.teacher_columns(shown), *others]]


def missing_students(plan: Plan) -> dict[str, list[str]]:
    """Return the students that no active run will make: their titles by the reason."""
    runs = store.plan_runs(plan)
    found: dict[str, dict[str, None]] = {}
    for entry in comparison_results.unfinished(plan):
        if not _active(entry, runs):
            title = roles.title(entry["method"])
            found.setdefault(entry["reason"], {})[title] = None
    return {reason: list(titles) for reason, titles in found.items()}


def _active(entry: Mapping[str, Any], runs: Mapping[str, Any]) -> bool:
    return entry["run"] in runs and activity.is_active(runs[entry["run"]])
