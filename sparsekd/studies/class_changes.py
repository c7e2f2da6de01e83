"""Who loses: what each class gains or loses from one model of a plan to another, over seeds.

A mean can hide it: a student as accurate as its teacher may be worse on the classes that are rare
or hard.

Source: Lukasik et al., TMLR 2023, arXiv 2106.10494 (distillation); Hooker et al., 2020, arXiv
2010.03058 (pruning and quantisation).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.runs.records import Plan
from sparsekd.studies import models, roles, verdict
from sparsekd.studies.estimates import Sample
from sparsekd.studies.models import Answers
from sparsekd.tasks import classes, jackknife, metrics
from sparsekd.tasks.cards import Kind, TaskCard

Array = NDArray[Any]
MEASURES = {"recall": "Recall", "precision": "Precision", "f1": "F1"}
MEANS: dict[Kind, tuple[str, ...]] = {
    "classes": ("accuracy", "balanced_accuracy", "macro_f1"),
    "labels": ("micro_f1", "macro_f1", "subset_accuracy"),
    "number": (),
}
LeftOut = Mapping[tuple[str, str, str], Array]
"""By run, label and measure: the measure with each group of examples left out."""
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


def left_out(card: TaskCard, found: list[Answers]) -> LeftOut:
    """Return how the measures of each class depend on the examples.

    Args:
        found: The list of `models.answers`.
    """
    return {
        (one.run.id, label, measure): values[:, place]
        for one in found
        if not card.regression
        for measure, values in classes.without_groups(card, *one.outputs).items()
        for place, label in enumerate(card.labels)
    }


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


def changes(
    by_class: pd.DataFrame,
    pair: Transition,
    measure: str = "recall",
    without: LeftOut | None = None,
) -> pd.DataFrame:
    """Return the change of each class, the largest loss first.

    Paired over seeds, corrected for all classes that have examples; a model that all seeds share
    stands in each pair. Columns: label, examples, before, after (means), those of
    `verdict.Verdict`.

    Args:
        by_class: The frame of `table`.
        measure: recall, precision or f1.
        without: That of `left_out`; without it the changes are those on these very examples.
    """
    sizes = by_class.groupby("label", sort=False)["examples"].first()
    there = [str(label) for label in sizes.index[sizes > 0]]
    return _changes(_pairs(by_class, pair, measure, without or {}), there, sizes)


def seed_changes(by_class: pd.DataFrame, pair: Transition, measure: str = "recall") -> pd.DataFrame:
    """Return the change of each class in each seed. Columns: label, seed, difference.

    Args:
        by_class: The frame of `table`.
        measure: recall, precision or f1.
    """
    found = _pairs(by_class, pair, measure, {})
    rows = [
        {"label": label, "seed": seed, "difference": difference}
        for label, (after, before) in found.items()
        for seed, difference in after.minus(before).values.items()
    ]
    return pd.DataFrame(rows, columns=["label", "seed", "difference"])


def _pairs(
    by_class: pd.DataFrame, pair: Transition, measure: str, without: LeftOut
) -> dict[str, tuple[Sample, Sample]]:
    """Return both sides of the change by seed, for each class that has examples."""
    there = by_class[by_class["examples"] > 0]
    found = {}
    for label, own in there.groupby("label", sort=False):
        sides = []
        for role in (pair.after, pair.before):
            rows = own[own["role"] == role]
            values = dict(zip(rows["seed"], rows[measure], strict=True))
            runs = rows["run"] if without else [""] * len(rows)
            known = [without.get((run, str(label), measure)) for run in runs]
            sides.append(_sample(values, known))
        after, before = sides
        both = _paired(after, before, pair.before)
        if both:
            found[str(label)] = both
    return found


def _sample(values: Mapping[int, float], without: Iterable[Array | None]) -> Sample:
    """Return values by seed, with their dependence on the examples where all of it is defined."""
    by_seed, rows = pd.Series(dict(values), dtype=np.float64), list(without)
    known = [row for row in rows if row is not None and np.isfinite(row).all()]
    if not known or len(known) < len(by_seed) or len({len(row) for row in known}) > 1:
        return Sample(by_seed)
    return Sample(by_seed, pd.DataFrame(np.array(known), by_seed.index))


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
        before, after = (_metric(card, found, role, name) for role in (pair.before, pair.after))
        paired = _paired(after, before, pair.before)
        if paired:
            tables.append(_changes({name: paired}, [name], pd.Series({name: examples})))
    return pd.concat(tables, ignore_index=True) if tables else _changes({}, [], pd.Series({}))


def _metric(card: TaskCard, found: list[Answers], role: str, name: str) -> Sample:
    own = [one for one in found if one.role == role]
    values = {one.seed: metrics.value(card, name, *one.outputs) for one in own}
    return _sample(
        values, [jackknife.metric_without_groups(card, name, *one.outputs) for one in own]
    )


def _paired(after: Sample, before: Sample, role: str) -> tuple[Sample, Sample] | None:
    """Return both sides by seed; one value before, of a shared teacher, stands for each seed.

    One student before does not: it has a seed, of which nothing is known about others.
    """
    if after.values.empty or before.values.empty:
        return None
    if len(before.values) == 1 and not role.endswith("student"):
        seeds, known = after.values.index, before.without
        rows = (
            None if known is None else pd.DataFrame(known.to_numpy().repeat(len(seeds), 0), seeds)
        )
        before = Sample(pd.Series(before.values.iloc[0], seeds), rows)
    return after, before


def _changes(
    pairs: dict[str, tuple[Sample, Sample]], planned: list[str], sizes: pd.Series
) -> pd.DataFrame:
    verdicts = verdict.verdicts(pairs, planned, "recall")
    found = verdict.table(verdicts, "label", str).drop(columns="what")
    found["examples"] = [int(sizes[label]) for label in found["label"]]
    found["before"] = [pairs[label][1].values.mean() for label in found["label"]]
    found["after"] = [pairs[label][0].values.mean() for label in found["label"]]
    found = found[[*NAMES, *verdict.COLUMNS]]
    return found.sort_values("difference", kind="stable", ignore_index=True)
