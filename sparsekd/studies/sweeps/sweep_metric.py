"""One method, split and metric of a trade-off study: what its page shows of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from sparsekd.runs import references
from sparsekd.runs.records import Plan
from sparsekd.studies import majority, teacher_kinds
from sparsekd.studies.stats import LEAST_SEEDS
from sparsekd.studies.study_metric import Level, intervals, majority_level
from sparsekd.studies.sweeps.sweep_results import Choice, Conclusion, methods
from sparsekd.tasks import metrics

SELECTION = "selection"
CELL = ("seed", "state", "selected", "reported", "parameters", "seconds", "run", "scores")
VERDICTS = (
    *("what", "difference", "words", "interval", "confidence", "p", "p_corrected", "seeds"),
    "seed_error",
    "example_error",
)


@dataclass(frozen=True, eq=False)
class SweepMetric:
    """One metric of the students of one method on one split.

    `students` is the frame of `sweep_results.students`, with all methods, splits and metrics.
    """

    plan: Plan
    students: pd.DataFrame
    method: str
    split: str
    metric: str

    @property
    def title(self) -> str:
        """Return the metric's title."""
        return metrics.title(self.metric)

    @property
    def key(self) -> str:
        """Return a beginning for the keys of this metric's widgets."""
        return f"tradeoffs.{self.plan.id}.{self.method}.{self.split}.{self.metric}"

    @cached_property
    def majority(self) -> Level | None:
        """The score of one answer to every text; None where it is unknown or undefined."""
        return majority_level(self.plan, self.split, self.metric)

    def warnings(self, conclusion: Conclusion) -> list[str]:
        """Return which students have learned nothing, as sentences.

        The chosen ones are judged by their 95% interval over seeds, below five seeds by the mean.
        """
        silent, level = majority.silent_in_words(self.plan, self.split), self.majority
        card = references.cards().get(self.plan.task)
        if card is None or level is None or metrics.lower_is_better(self.metric):
            return silent
        below = [
            f"{teacher_kinds.short_title(one.ranking)} ({one.reported:.3f})"
            for one in conclusion.choices.values()
            if not (one.low if len(one.values) >= LEAST_SEEDS else one.reported) > level.value
        ]
        return [*silent, *majority.not_above(card, level.value, below)]

    def options(self) -> dict[str, list[str]]:
        """Return the methods, reported splits and metrics to choose from."""
        finished = self.students.dropna(subset=["value"])
        splits = [name for name in finished["split"].unique() if name != SELECTION]
        return {
            "method": methods(self.students),
            "split": splits or [SELECTION],
            "metric": list(finished["metric"].unique()),
        }

    def axes(self) -> tuple[list[float], list[float]]:
        """Return every λ and every sparsity of the study, finished or not."""
        cells = self.students[self.students["ranking"].isin(["scores", "dense"])]
        return (
            sorted(float(lam) for lam in cells["lam"].dropna().unique()),
            sorted(float(sparsity) for sparsity in cells["sparsity"].dropna().unique()),
        )

    def nearest_cell(self, lam: float, sparsity: float) -> tuple[float, float]:
        """Return the cell of the grid nearest to a λ and a sparsity."""
        lams, sparsities = self.axes()
        return _nearest(lams, lam), _nearest(sparsities, sparsity)

    def cell_table(self, lam: float, sparsity: float) -> pd.DataFrame:
        """Return one row per seed of a cell; at sparsity 0 the dense teacher's first students.

        Columns: see `CELL`. `selected` and `reported` are the metric on the selection split and
        on this one, `scores` the scoring run, empty where there is none.
        """
        rows = self.students[self.students["method"] == self.method]
        if sparsity:
            cell = (rows["lam"] == lam) & (rows["sparsity"] == sparsity)
            rows = rows[(rows["ranking"] == "scores") & cell]
        else:
            rows = rows[(rows["ranking"] == "dense") & (rows["attempt"] == 0)]
        found = [self._seed(str(run), group) for run, group in rows.groupby("run", sort=False)]
        return pd.DataFrame(found, columns=list(CELL))

    def _seed(self, run: str, group: pd.DataFrame) -> dict[str, Any]:
        first = group.iloc[0]
        values = group[group["metric"] == self.metric].set_index("split")["value"]
        return {
            "seed": first["seed"],
            "state": str(first["state"]),
            "selected": values.get(SELECTION),
            "reported": values.get(self.split),
            "parameters": first["parameters"],
            "seconds": first["seconds"],
            "run": run,
            "scores": first["scores"],
        }


def _nearest(values: list[float], wanted: float) -> float:
    return min(values, key=lambda value: abs(value - wanted), default=wanted)


def default_sweep_metric(plan: Plan, students: pd.DataFrame) -> SweepMetric | None:
    """Return the first method with the task's first metric; None before the first student."""
    if students.dropna(subset=["value"]).empty:
        return None
    found = SweepMetric(plan, students, "", "", "")
    options = found.options()
    card = references.cards().get(plan.task)
    metric = card.metrics[0] if card and card.metrics[0] in options["metric"] else ""
    return SweepMetric(
        plan,
        students,
        options["method"][0],
        options["split"][0],
        metric or options["metric"][0],
    )


# --- tables ----------------------------------------------------------------------------------


def choice_table(conclusion: Conclusion, level: Level | None = None) -> pd.DataFrame:
    """Return one row per kind of teacher: its best try, and what choosing it is worth.

    Sparsity in per cent. The last row is the majority baseline, where there is one.
    """
    table = pd.DataFrame([_choice(choice) for choice in conclusion.choices.values()])
    return level.below(table, "reported") if level else table


def _choice(choice: Choice) -> dict[str, Any]:
    complete = choice.tries == choice.planned
    low, high = pd.Series([choice.low]), pd.Series([choice.high])
    return {
        "what": teacher_kinds.short_title(choice.ranking),
        "lam": choice.lam,
        "sparsity": 100 * choice.sparsity,
        "tries": f"{choice.tries}" if complete else f"{choice.tries} of {choice.planned}",
        "selected": choice.selected,
        "reported": choice.reported,
        "interval": intervals(low, high)[0],
        "luck": choice.luck,
        "claimed": choice.claimed,
        "optimism": choice.optimism,
    }


def verdict_table(conclusion: Conclusion) -> pd.DataFrame:
    """Return one row per control, with the interval in words; see `VERDICTS`."""
    table = conclusion.table()
    return table.assign(
        what=table["control"].map(teacher_kinds.short_title),
        interval=intervals(table["low"], table["high"], "+"),
    )[list(VERDICTS)]
