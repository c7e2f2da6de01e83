"""Who loses: what each class gains or loses from one model of a plan to another, over seeds.

A mean can hide it: a student as accurate as its teacher may be worse on the classes that are rare
or hard.

Source: Lukasik et al., TMLR 2023, arXiv 2106.10494 (distillation); Hooker et al., 2020, arXiv
2010.03058 (pruning and quantisation).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.runs.records import Plan
from sparsekd.studies import models, roles, verdict
from sparsekd.studies.models import Answers
from sparsekd.studies.stats import Sample
from sparsekd.tasks import classes, metrics
from sparsekd.tasks.cards import Kind, TaskCard

Array = NDArray[Any]
MEASURES = {"recall": "Recall", "precision": "Precision", "f1": "F1"}
MEANS: dict[Kind, tuple[str, ...]] = {
    "classes": ("accuracy", "balanced_accuracy", "macro_f1"),
    "labels": ("micro_f1", "macro_f1", "subset_accuracy"),
    "number": (),
}
NAMES = ["label", "examples", "before", "after"]
SUMMARY = ["role", "what", "label", "examples", *MEASURES, "calibration_error", "seeds"]


@dataclass(frozen=True)
class Transition:
    """Two models of a plan, by role: the classes of the second against those of the first."""

    before: str
    after: str

    @property
    def title(self) -> str:
        """Return both in words."""
        return f"{roles.title(self.before)} → {roles.title(self.after)}"


def transitions(plan: Plan) -> list[Transition]:
    """Return the changes to look at, whether or not the runs are finished; the main one first.

    From the dense teacher, and from its own teachers, to each student and each sparse teacher;
    and from the student of the dense teacher to that of the sparse one.
    """
    role_of = {step.recipe.run_id: step.role for step in plan.steps}
    found: dict[Transition, None] = {}
    for step in plan.steps:
        if not roles.is_reported(step.role) or roles.is_teacher(step.role):
            continue
        learned = [] if step.recipe.method == "fine_tuning" else step.recipe.teachers
        teachers = [models.TEACHER, *(role_of[name] for name in learned if name in role_of)]
        found |= {Transition(name, step.role): None for name in teachers}
    if {"trial_student", "student"} <= set(role_of.values()):
        found[Transition("trial_student", "student")] = None
    main = next((each for each in found if each.after == "student"), None)
    return sorted(found, key=lambda each: (each != main, each.after in models.CONTROLS))


def table(card: TaskCard, found: list[Answers]) -> pd.DataFrame:
    """Return one row per model and class: role, seed, run, and those of `classes.by_class`.

    Args:
        found: The list of `models.answers`.
    """
    tables = [
        classes.by_class(card, *one.outputs).assign(role=one.role, seed=one.seed, run=one.run.id)
        for one in found
        if not card.regression
    ]
    columns = ["role", "seed", "run", *classes.COLUMNS]
    return (
        pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    )


def summary(by_class: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds, one row per role and class; see `SUMMARY`.

    Args:
        by_class: The frame of `table`.
    """
    groups = by_class.groupby(["role", "label"], sort=False)
    columns = ["examples", *MEASURES, "calibration_error"]
    found = groups[columns].mean().assign(seeds=groups.size()).reset_index()
    found["examples"] = found["examples"].astype(int)
    return found.assign(what=found["role"].map(roles.title))[SUMMARY]


def changes(by_class: pd.DataFrame, pair: Transition, measure: str = "recall") -> pd.DataFrame:
    """Return the change of each class, the largest loss first.

    Paired over seeds, corrected for all classes that have examples; a model that all seeds share
    stands in each pair. Columns: label, examples, before, after (means), those of
    `verdict.Verdict`.

    Args:
        by_class: The frame of `table`.
        measure: recall, precision or f1.
    """
    sizes = by_class.groupby("label", sort=False)["examples"].first()
    there = [str(label) for label in sizes.index[sizes > 0]]
    return _changes(_pairs(by_class, pair, measure), there, sizes)


def seed_changes(by_class: pd.DataFrame, pair: Transition, measure: str = "recall") -> pd.DataFrame:
    """Return the change of each class in each seed. Columns: label, seed, difference.

    Args:
        by_class: The frame of `table`.
        measure: recall, precision or f1.
    """
    found = _pairs(by_class, pair, measure)
    rows = [
        {"label": label, "seed": seed, "difference": difference}
        for label, (after, before) in found.items()
        for seed, difference in (after - before).dropna().items()
    ]
    return pd.DataFrame(rows, columns=["label", "seed", "difference"])


def _pairs(
    by_class: pd.DataFrame, pair: Transition, measure: str
) -> dict[str, tuple[pd.Series, pd.Series]]:
    """Return both sides of the change by seed, for each class that has examples."""
    values = by_class[by_class["examples"] > 0].set_index(["label", "seed"])[["role", measure]]
    sides = [values.loc[values["role"] == role, measure] for role in (pair.after, pair.before)]
    names = dict.fromkeys(str(label) for label in values.index.get_level_values("label"))
    both = {label: _paired(*(_of(side, label) for side in sides)) for label in names}
    return {label: found for label, found in both.items() if found}


def mean_changes(card: TaskCard, found: list[Answers], pair: Transition) -> pd.DataFrame:
    """Return the change of the metrics `MEANS`, in the columns of `changes`.

    `label` is the metric. These are for comparison with the classes, each
    tested as if it stood alone.

    Args:
        found: The list of `models.answers`.
    """
    examples = len(found[0].outputs[1]) if found else 0
    tables = []
    for name in MEANS[card.kind]:
        measure = metrics.METRICS[name].function
        before, after = (_metric(card, found, role, measure) for role in (pair.before, pair.after))
        paired = _paired(after, before)
        if paired:
            tables.append(_changes({name: paired}, [name], pd.Series({name: examples})))
    return pd.concat(tables, ignore_index=True) if tables else _changes({}, [], pd.Series({}))


def _metric(
    card: TaskCard,
    found: list[Answers],
    role: str,
    measure: Callable[[Array, Array, int], float],
) -> pd.Series:
    values = {
        one.seed: measure(one.outputs[1], metrics.predictions(card, one.outputs[0]), card.classes)
        for one in found
        if one.role == role
    }
    return pd.Series(values, dtype=np.float64)


def _of(values: pd.Series, label: str) -> pd.Series:
    """Return the values of one class by seed."""
    return values.xs(label) if label in values.index else pd.Series(dtype=np.float64)


def _paired(after: pd.Series, before: pd.Series) -> tuple[pd.Series, pd.Series] | None:
    """Return both sides by seed; one value before, of a shared model, stands for each seed."""
    if after.empty or before.empty:
        return None
    if len(before) == 1 and len(after) > 1:
        before = pd.Series(before.iloc[0], after.index)
    elif len(before) == len(after) == 1:
        before = before.set_axis(after.index)
    return after, before


def _changes(
    pairs: dict[str, tuple[pd.Series, pd.Series]], planned: list[str], sizes: pd.Series
) -> pd.DataFrame:
    sides = {name: (Sample(after), Sample(before)) for name, (after, before) in pairs.items()}
    verdicts = verdict.verdicts(sides, planned, "recall")
    found = verdict.table(verdicts, "label", str).drop(columns="what")
    found["examples"] = [int(sizes[label]) for label in found["label"]]
    found["before"] = [pairs[label][1].mean() for label in found["label"]]
    found["after"] = [pairs[label][0].mean() for label in found["label"]]
    found = found[[*NAMES, *verdict.COLUMNS]]
    return found.sort_values("difference", kind="stable", ignore_index=True)
