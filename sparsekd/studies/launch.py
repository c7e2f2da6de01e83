"""A launch before it starts: the runs that are missing, and the trainings that they take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from sparsekd.runs import store
from sparsekd.runs.records import Plan, Recipe
from sparsekd.studies import roles
from sparsekd.studies.teacher_parts import parts
from sparsekd.studies.training_cost import (
    decided_in_words,
    decisions,
    reward_passes,
    training_episodes,
)
from sparsekd.system.wording import counted


@dataclass(frozen=True)
class Launch:
    """What would start, in words, and how many trainings of students that takes."""

    what: str
    trainings: int


def students_launch(recipes: Iterable[Recipe]) -> Launch:
    """Return the launch of students of one method, and of their sparse teacher if it is new."""
    recipes = list(recipes)
    students = [recipe for recipe in recipes if recipe.stage == "distil"]
    what = counted(len(students), "student")
    if len(recipes) > len(students):
        what += " and 1 sparse teacher"
    episodes, passes = training_episodes(students[0]), reward_passes(students[0])
    trainings = len(students) * (1 + episodes)
    if episodes:
        what += (
            f", each after {counted(episodes, 'training episode')} of the same length with "
            f"{passes} reward passes over the selection split ({decided_in_words(students[0])}): "
            f"{trainings} trainings"
        )
    return Launch(what, trainings)


def plan_launch(plan: Plan) -> Launch:
    """Return the launch of the runs of a plan that do not exist yet."""
    new, known = _missing(plan)
    students = [recipe for recipe in new if recipe.stage == "distil"]
    trainings = sum(1 + training_episodes(recipe) for recipe in students)
    what = f"{counted(len(new), 'new run')}, {counted(trainings, 'training')} in total"
    if known:
        what += f" ({known} exist already)"
    return Launch(what, trainings)


def _missing(plan: Plan) -> tuple[list[Recipe], int]:
    """Return the recipes without a run, and the number of those that have one."""
    with store.reading(None):  # whatever is shown, runs are launched in one's own store
        known = store.plan_runs(plan)
    recipes = {step.recipe.run_id: step.recipe for step in plan.steps}
    return [recipe for name, recipe in recipes.items() if name not in known], len(known)


def variant_costs(plan: Plan, steps: int | None) -> pd.DataFrame:
    """Return what each variant of a comparison costs for one seed, all its settings together.

    Of several teachers that is the cost with one.

    Args:
        steps: The optimiser steps of one training at most; None where unknown.
    """
    plan = parts(plan)[0]
    recipes = {step.recipe.run_id: step.recipe for step in plan.steps}
    tries: dict[str, list[Recipe]] = {}
    for step in plan.steps:
        compared = step.recipe.stage != "baseline" and roles.is_compared(step.role)
        if compared and step.seed == plan.steps[-1].seed:
            tries.setdefault(step.role, []).append(step.recipe)
    rows = []
    for role, own in tries.items():
        needed = [each for each in _prerequisites(own, recipes) if each.stage == "distil"]
        trainings = sum(1 + training_episodes(recipe) for recipe in own)
        extra = trainings - 1 + len([recipe for recipe in needed if recipe not in own])
        made, random = max(map(decisions, own))
        rows.append(
            {
                "method": roles.title(role),
                "tries": len(own),
                "steps": steps,
                "extra steps": None if steps is None else extra * steps,
                "extra trainings": extra,
                "reward passes": sum(map(reward_passes, own)),
                "decisions": made,
                "random decisions": random,
            }
        )
    return pd.DataFrame(rows)


def _prerequisites(own: Iterable[Recipe], recipes: Mapping[str, Recipe]) -> list[Recipe]:
    """Return the recipes of the plan that some need, each once."""
    needed = [recipes[name] for recipe in own for name in recipe.needs if name in recipes]
    deeper = _prerequisites(needed, recipes) if needed else []
    return list({one.run_id: one for one in [*needed, *deeper]}.values())
