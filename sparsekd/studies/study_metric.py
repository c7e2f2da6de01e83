"""One metric on one split of a study: what its pages show of it."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from sparsekd.runs import references
from sparsekd.runs.records import Plan
from sparsekd.studies import majority, results, roles
from sparsekd.tasks import metrics
from sparsekd.tasks.majority import TITLES


@dataclass(frozen=True)
class Level:
    """A value that is a line in a chart and a row in a table, and its name inside a sentence."""

    name: str
    value: float

    @property
    def title(self) -> str:
        """The name as a title."""
        return self.name[0].upper() + self.name[1:]

    @property
    def words(self) -> str:
        """The name and the value: "majority class 0.512"."""
        return f"{self.name} {self.value:.3f}"

    def below(self, table: pd.DataFrame, column: str = "mean") -> pd.DataFrame:
        """Return a table of means with this one as its last row."""
        row = pd.DataFrame([{"what": self.title, column: self.value}])
        return pd.concat([table, row], ignore_index=True)


def majority_level(plan: Plan, split: str, metric: str) -> Level | None:
    """Return the majority baseline of a plan; None where it is unknown or undefined."""
    card, scores = references.cards().get(plan.task), majority.plan_scores(plan, split)
    return Level(TITLES[card.kind], scores[metric]) if card and metric in scores else None


@dataclass(frozen=True, eq=False)
class StudyMetric:
    """The values of one metric on one split, of every finished model of a study.

    `frame` is that of `results.study_frame`, with all splits and metrics; without a plan there is
    no majority baseline.
    """

    frame: pd.DataFrame
    split: str
    metric: str
    plan: Plan | None = None

    @property
    def title(self) -> str:
        """Return the metric's title."""
        return metrics.title(self.metric)

    @property
    def values(self) -> pd.DataFrame:
        """Return the rows of this split and metric."""
        return self.frame[
            (self.frame["split"] == self.split) & (self.frame["metric"] == self.metric)
        ]

    @property
    def splits(self) -> list[str]:
        """Return the reported splits."""
        return list(self.frame["split"].unique())

    @property
    def metrics(self) -> list[str]:
        """Return the metrics that were reported."""
        return list(self.frame["metric"].unique())

    @cached_property
    def majority(self) -> Level | None:
        """The score of one answer to every text; None where it is unknown or undefined."""
        return majority_level(self.plan, self.split, self.metric) if self.plan else None

    def warnings(self) -> list[str]:
        """Return which models have learned nothing; see `majority.plan_warnings`."""
        if self.plan is None:
            return []
        return majority.plan_warnings(self.plan, self.split, self.metric, self.summary())

    def summary(self) -> pd.DataFrame:
        """Return the mean of each role; see `results.SUMMARY`."""
        return results.summary(self.frame, self.split, self.metric)

    def teacher_means(self) -> pd.DataFrame:
        """Return the mean of each role with each teacher; see `results.teacher_means`."""
        return results.teacher_means(self.frame, self.split, self.metric)

    def ranking(self, shown: list[str]) -> pd.DataFrame:
        """Return the summary of some roles, the best first."""
        found = self.summary()
        found = found[found["role"].isin(shown)]
        ascending = metrics.lower_is_better(self.metric)
        return found.sort_values("mean", ascending=ascending, kind="stable")

    def control_verdicts(self) -> pd.DataFrame:
        """Return the verdict on the sparse teacher's student against each control."""
        return results.comparisons(self.frame, self.split, self.metric)

    def points(self) -> pd.DataFrame:
        """Return the values with the title of each role in `what`."""
        return self.values.assign(what=self.values["role"].map(roles.title))


def default_metric(plan: Plan) -> StudyMetric | None:
    """Return the task's first metric on its first reported split; None before the first result."""
    frame = results.study_frame(plan)
    if frame.empty:
        return None
    split, metric = str(frame["split"].iloc[0]), str(frame["metric"].iloc[0])
    found = StudyMetric(frame, split, metric, plan)
    card = references.cards().get(plan.task)
    wanted = card.metrics[0] if card else found.metric
    return StudyMetric(frame, found.split, wanted, plan) if wanted in found.metrics else found


# --- tables ----------------------------------------------------------------------------------


def model_table(found: StudyMetric) -> pd.DataFrame:
    """Return the summary with the interval in words, and sizes relative to the largest model.

    The last row is the majority baseline, where it is known.
    """
    table = found.summary()
    table = found.majority.below(table) if found.majority else table
    return table.assign(
        interval=intervals(table["low"], table["high"]),
        share=table["parameters"] / table["parameters"].max(),
    )


def seed_table(found: StudyMetric, shown: list[str]) -> pd.DataFrame:
    """Return one row per role, in the given order, with a column for each seed (and teacher)."""
    values = found.values
    place = "seed " + values["seed"].astype(str)
    if (values["teachers"] > 1).any():
        place = "teacher seed " + values["teacher_seed"].astype(str) + ", " + place
    ordered = values.assign(place=place).sort_values(["teacher_seed", "seed"])
    wide = ordered.pivot_table(index="role", columns="place", values="value")[
        list(ordered["place"].unique())
    ]
    wide = wide.reindex(shown).rename_axis(columns=None).reset_index()
    wide.insert(0, "method", wide.pop("role").map(roles.title))
    return wide


def intervals(low: pd.Series, high: pd.Series, sign: str = "") -> list[str]:
    """Return intervals in words; a dash where an end is unknown."""
    return [
        f"{one:{sign}.3f} to {other:{sign}.3f}" if pd.notna(one) and pd.notna(other) else "–"
        for one, other in zip(low, high, strict=True)
    ]
