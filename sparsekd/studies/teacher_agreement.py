"""How far the students of a plan agree with their teachers, over seeds."""

import pandas as pd

from sparsekd.runs.records import Plan
from sparsekd.studies import models, roles, verdict
from sparsekd.studies.models import Answers
from sparsekd.studies.stats import mean_interval
from sparsekd.tasks import agreement
from sparsekd.tasks.cards import TaskCard

ROWS = [
    *("role", "what", "seed", "teacher", "of", "learned", *agreement.MEASURES),
    *("quality", "teacher_quality", "run"),
]
SUMMARY = [
    *("role", "what", "teacher", "of", "learned", "agreement", "low", "high", "independent"),
    *("divergence", "divergence_low", "divergence_high", "seeds"),
]


def rows(card: TaskCard, found: list[Answers], split: str) -> pd.DataFrame:
    """Return one row per student and teacher; see `ROWS`.

    Args:
        found: The frame of `models.answers`.

    `of` is the teacher in words, `learned` whether the student has learned from it: every student
    is compared with the dense teacher too. `quality` and `teacher_quality` are the task's first
    metric; the other columns are those of `agreement.agreement`.
    """
    metric = card.metrics[0]

    def quality(one: Answers) -> float:
        return one.run.outcome.metrics.get(split, {}).get(metric, float("nan"))

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
            "quality": quality(pair.student),
            "teacher_quality": quality(pair.teacher),
            "run": pair.student.run.id,
        }
        for pair in models.pairs(found)
    ]
    return pd.DataFrame(table, columns=ROWS)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds with 95 % intervals, one row per role and teacher; see `SUMMARY`.

    Args:
        table: The frame of `rows`.
    """
    groups = table.groupby(["role", "what", "teacher", "of", "learned"], sort=False)
    found = [
        dict(zip(("role", "what", "teacher", "of", "learned"), key, strict=True))
        | _interval(group, "agreement", "")
        | _interval(group, "divergence", "divergence_")
        | {"independent": group["independent"].mean(), "seeds": len(group)}
        for key, group in groups
    ]
    return pd.DataFrame(found, columns=SUMMARY)


def _interval(group: pd.DataFrame, column: str, prefix: str) -> dict[str, float]:
    low, high = mean_interval(group[column].to_numpy())
    return {column: group[column].mean(), f"{prefix}low": low, f"{prefix}high": high}


def verdicts(plan: Plan, table: pd.DataFrame) -> pd.DataFrame:
    """Return whether each student agrees with the dense teacher more than one without teacher.

    Paired over seeds, corrected for all students of the plan. Columns: role, what, and those of
    `verdict.Verdict`. Empty where the plan has no student without teacher.

    Args:
        table: The frame of `rows`.
    """
    control = models.control(plan)
    dense = table[table["teacher"] == models.TEACHER]
    seeds = dense.pivot_table(index="seed", columns="role", values="agreement")
    planned = [role for role in _students(plan) if role != control]
    pairs = {
        role: (seeds[role], seeds[control])
        for role in planned
        if {role, control} <= set(seeds.columns)
    }
    planned = planned if control else []
    return verdict.table(verdict.verdicts(pairs, planned, "agreement"), "role", roles.title)


def _students(plan: Plan) -> list[str]:
    """Return the roles of the reported students, whether or not they are finished."""
    students = [step.role for step in plan.steps if step.recipe.stage == "distil"]
    return [role for role in dict.fromkeys(students) if roles.is_reported(role)]
