"""How far the students of a plan agree with their teachers, over seeds."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.runs.records import Plan
from sparsekd.studies import models, roles, verdict
from sparsekd.studies.estimates import Bounds, Sample
from sparsekd.studies.models import Answers
from sparsekd.tasks import agreement, metrics
from sparsekd.tasks.cards import TaskCard

LeftOut = Mapping[tuple[str, str], Mapping[str, NDArray[Any]]]
"""By student's run and teacher's role: the measures with each group of examples left out."""
ROWS = [
    *("role", "what", "seed", "teacher", "of", "learned", *agreement.MEASURES),
    *("accuracy", "teacher_accuracy", "run"),
]
SUMMARY = [
    *("role", "what", "teacher", "of", "learned", "agreement", "low", "high", "independent"),
    *("divergence", "divergence_low", "divergence_high", "seeds"),
]


def rows(card: TaskCard, found: list[Answers]) -> pd.DataFrame:
    """Return one row per student and teacher; see `ROWS`.

    Args:
        found: The list of `models.answers`.

    `of` is the teacher in words, `learned` whether the student has learned from it: every student
    is compared with the dense teacher too. The accuracies are NaN for a regression; the other
    columns are those of `agreement.agreement`.
    """
    table = [
        {
            "role": pair.student.role,
            "what": roles.title(pair.student.role),
            "seed": pair.student.seed,
            "teacher": pair.teacher.role,
            "of": roles.title(pair.teacher.role),
            "learned": pair.learned,
            **agreement.agreement(
                card, pair.teacher.outputs[0], pair.student.outputs[0], pair.student.outputs[1]
            ),
            "accuracy": _accuracy(card, pair.student),
            "teacher_accuracy": _accuracy(card, pair.teacher),
            "run": pair.student.run.id,
        }
        for pair in models.pairs(found)
    ]
    return pd.DataFrame(table, columns=ROWS)


def left_out(card: TaskCard, found: list[Answers]) -> LeftOut:
    """Return how agreement, divergence and likeness depend on the examples.

    Args:
        found: The list of `models.answers`.
    """
    return {
        (pair.student.run.id, pair.teacher.role): agreement.without_groups(
            card, pair.teacher.outputs[0], *pair.student.outputs
        )
        for pair in models.pairs(found)
    }


def _accuracy(card: TaskCard, one: Answers) -> float:
    logits, labels = one.outputs
    right = metrics.predictions(card, logits) == labels
    return float("nan") if card.regression else float(right.mean())


def summary(table: pd.DataFrame, without: LeftOut | None = None) -> pd.DataFrame:
    """Return means over seeds with 95% intervals, one row per role and teacher; see `SUMMARY`.

    Args:
        table: The frame of `rows`.
        without: That of `left_out`; without it the intervals are for these very examples.
    """
    groups = table.groupby(["role", "what", "teacher", "of", "learned"], sort=False)
    found = [
        dict(zip(("role", "what", "teacher", "of", "learned"), key, strict=True))
        | _interval(group, "agreement", "", _of_agreement(group), without)
        | _interval(group, "divergence", "divergence_", (0, math.inf), without)
        | {"independent": group["independent"].mean(), "seeds": len(group)}
        for key, group in groups
    ]
    return pd.DataFrame(found, columns=SUMMARY)


def by_class(card: TaskCard, found: list[Answers]) -> pd.DataFrame:
    """Return agreement on the examples of each class, means over seeds; a regression has none.

    Columns: role, what, teacher, of, label, examples, agreement, divergence, seeds.

    Args:
        found: The list of `models.answers`.
    """
    columns = ["role", "what", "teacher", "of", "label"]
    tables = [
        agreement.by_class(
            card, pair.teacher.outputs[0], pair.student.outputs[0], pair.student.outputs[1]
        ).assign(
            role=pair.student.role,
            what=roles.title(pair.student.role),
            teacher=pair.teacher.role,
            of=roles.title(pair.teacher.role),
        )
        for pair in (models.pairs(found) if not card.regression else ())
    ]
    measured = ["examples", "agreement", "divergence"]
    if not tables:
        return pd.DataFrame(columns=[*columns, *measured, "seeds"])
    groups = pd.concat(tables).groupby(columns, sort=False)
    means = groups[measured].mean().assign(seeds=groups.size()).reset_index()
    return means.astype({"examples": int})


def _of_agreement(group: pd.DataFrame) -> Bounds:
    """Return the lowest and highest possible agreement: a share, or a correlation of numbers."""
    return (-1 if group["independent"].isna().all() else 0, 1)


def _interval(
    group: pd.DataFrame, column: str, prefix: str, bounds: Bounds, without: LeftOut | None
) -> dict[str, float]:
    low, high = _sample(group, column, without).estimate().interval(bounds=bounds)
    return {column: group[column].mean(), f"{prefix}low": low, f"{prefix}high": high}


def _sample(group: pd.DataFrame, column: str, without: LeftOut | None) -> Sample:
    """Return a measure of one role and teacher by seed, with its dependence on the examples."""
    values = pd.Series(group[column].to_numpy(dtype=np.float64), group["seed"].to_numpy())
    known = [
        (without or {}).get((str(run), str(teacher)), {}).get(column)
        for run, teacher in zip(group["run"], group["teacher"], strict=True)
    ]
    rows = [row for row in known if row is not None]
    if len(rows) < len(known) or len({len(row) for row in rows}) != 1:
        return Sample(values)
    return Sample(values, pd.DataFrame(np.array(rows), values.index))


def verdicts(plan: Plan, table: pd.DataFrame, without: LeftOut | None = None) -> pd.DataFrame:
    """Return whether each student is more like the dense teacher than one with no soft labels is.

    Likeness is agreement beyond that of independent errors: a student that is merely more accurate
    agrees more, too. For a regression it is the agreement itself. Paired over seeds, corrected for
    all students of the plan. Columns: role, what, and those of `verdict.Verdict`. Empty where the
    plan has no student with no soft labels.

    Args:
        table: The frame of `rows`.
        without: That of `left_out`; without it the verdicts are about these very examples.
    """
    control = models.control(plan)
    dense = table[table["teacher"] == models.TEACHER]
    dense = dense.assign(likeness=dense["agreement"] - dense["independent"].fillna(0))
    by_role = {str(role): own for role, own in dense.groupby("role", sort=False)}
    samples = {role: _sample(own, "likeness", without) for role, own in by_role.items()}
    planned = [role for role in _students(plan) if role != control]
    pairs = {
        role: (samples[role], samples[control])
        for role in planned
        if {role, control} <= samples.keys()
    }
    planned = planned if control else []
    return verdict.table(verdict.verdicts(pairs, planned, verdict.LIKENESS), "role", roles.title)


def _students(plan: Plan) -> list[str]:
    """Return the roles of the reported students, whether or not they are finished."""
    students = [step.role for step in plan.steps if step.recipe.stage == "distil"]
    return [role for role in dict.fromkeys(students) if roles.is_reported(role)]
