"""The models of a plan that have answered: each with its role, seed, logits and labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sparsekd.runs import outputs, store
from sparsekd.runs.outputs import Outputs
from sparsekd.runs.records import Plan, Run
from sparsekd.studies import results, roles, tuning

TEACHER = "teacher"
"""The role of the dense teacher."""
CONTROLS = ("plain_student", "fine_tuning")
"""Roles of the student that learns from gold labels alone."""


@dataclass(frozen=True, eq=False)
class Answers:
    """One finished model of a plan, and what it has answered on a split.

    Shapes: logits (N, C), labels (N,) in `outputs`.
    """

    role: str
    seed: int
    run: Run
    outputs: Outputs


def answers(plan: Plan, split: str) -> list[Answers]:
    """Return the finished models of a plan that kept answers on a split, in its order.

    Every one is there that is reported, or that a student has learned from; of a tuned variant the
    chosen setting.
    """
    runs = store.get_many(step.recipe.run_id for step in plan.steps)
    found = []
    for step in tuning.reported(plan).steps:
        run = runs.get(step.recipe.run_id)
        kept = outputs.load_outputs(run.folder, split) if results.done(run) else None
        if results.done(run) and kept is not None:
            found.append(Answers(step.role, step.seed, run, kept))
    return found


@dataclass(frozen=True, eq=False)
class Pair:
    """A model and a teacher that answered the same examples; `learned` if it learned from it."""

    student: Answers
    teacher: Answers
    learned: bool


def pairs(found: list[Answers]) -> Iterator[Pair]:
    """Yield each student or pruned model with its teachers, and with the dense teacher.

    A student that learns from gold labels alone has learned from none; teachers whose answers
    were not kept, or are of other examples, are left out.
    """
    by_run = {one.run.id: one for one in found}
    dense = next((one for one in found if one.role == TEACHER), None)
    for one in found:
        if not roles.is_reported(one.role) or roles.is_teacher(one.role):
            continue
        recipe = one.run.recipe
        own = [] if recipe.method == "fine_tuning" else recipe.teachers
        teachers = dict.fromkeys([*own, *([dense.run.id] if dense else [])])
        for name in teachers:
            teacher = by_run.get(name)
            if teacher and np.array_equal(teacher.outputs[1], one.outputs[1]):
                yield Pair(one, teacher, name in own)


def control(plan: Plan) -> str:
    """Return the role of the student with no soft labels; "" where the plan has none."""
    planned = {step.role for step in plan.steps}
    return next((role for role in CONTROLS if role in planned), "")
