"""Results of a comparison: its students, what each variant cost, and verdicts."""

from typing import Any

import pandas as pd

from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run, Step
from sparsekd.studies import results, roles, samples, training_cost, tuning, verdict
from sparsekd.studies.teacher_parts import parts, teacher_seed

BASELINES = ("vanilla", "fine_tuning")
COSTS = [
    *("steps", "extra_steps", "tries", "seconds", "extra_seconds", "held_out_passes"),
    *("decisions", "random_decisions"),
]


def rows(plan: Plan) -> list[dict[str, Any]]:
    """Return one row per finished student and reported split, in the order of the plan.

    `steps` are the student's own optimiser steps, `extra_steps` those of its training episodes, of
    the students that it needs (a trial student, an assistant) and of the settings that were tried
    and not chosen, `extra_seconds` likewise. `tries` counts the settings of its variant. The cost
    of teachers that all variants share is not in them. `decisions` are the rewarded ones that its
    selector was trained on. `teacher_seed` is that of the teacher's fine-tuning: of several, a
    student that needs none of them has a row for each.
    """
    return [row for part in parts(plan) for row in _rows(part)]


def _rows(plan: Plan) -> list[dict[str, Any]]:
    """Return the rows of the students of one teacher."""
    others = _other_tries(plan)
    runs = store.get_many(step.recipe.run_id for step in plan.steps)
    part = {step.recipe.run_id: step.role for step in plan.steps}
    return [
        {
            "method": step.role,
            "title": roles.title(step.role),
            "seed": step.seed,
            "teacher_seed": teacher_seed(plan),
            "split": split,
            "metrics": metrics,
            "teachers": _teachers(step, part),
            "run": step.recipe.run_id,
        }
        | spent(runs[step.recipe.run_id], runs, others.get(step.recipe.run_id, []))
        for step in tuning.reported(plan).steps
        if roles.is_compared(step.role) and results.done(runs.get(step.recipe.run_id))
        for split, metrics in runs[step.recipe.run_id].outcome.metrics.items()
        if split != "selection"
    ]


def _teachers(step: Step, part: dict[str, str]) -> list[str]:
    """Return the roles of a student's teachers; none where it learns from gold labels alone."""
    if step.recipe.method == "fine_tuning":
        return []
    return [part.get(name, name) for name in step.recipe.teachers]


def _other_tries(plan: Plan) -> dict[str, list[str]]:
    """Return the runs of the same variant and seed with other settings, by run id."""
    found: dict[tuple[str, int], list[str]] = {}
    for step in plan.steps:
        if roles.is_compared(step.role):
            found.setdefault((step.role, step.seed), []).append(step.recipe.run_id)
    return {
        name: [one for one in names if one != name] for names in found.values() for name in names
    }


def spent(run: Run, runs: dict[str, Run], others: list[str]) -> dict[str, Any]:
    """Return the cost of a student: its own, and that of the runs made for it alone.

    Args:
        others: The runs of the same variant and seed with other settings.
    """
    facts = run.outcome.facts
    names = {*_needed(run, runs), *(name for name in others if results.done(runs.get(name)))}
    needed = [runs[name] for name in names]
    students = [each.outcome for each in needed if each.recipe.stage in ("distil", "baseline")]
    decided, random = training_cost.decisions(run.recipe)
    return {
        "steps": facts.get("steps", 0),
        "extra_steps": sum(each.episode_steps for each in (run.outcome, *students))
        + sum(each.facts.get("steps", 0) for each in students),
        "tries": 1 + len(others),
        "seconds": round(run.seconds, 3),
        "extra_seconds": round(sum(other.seconds for other in needed), 3),
        "held_out_passes": sum(
            runs[name].outcome.facts.get("held_out_passes", 0)
            for name in (run.id, *others)
            if results.done(runs.get(name))
        ),
        "decisions": decided,
        "random_decisions": random,
        "parameters": facts.get("parameters", 0),
    }


def _needed(run: Run, runs: dict[str, Run]) -> set[str]:
    """Return the runs of the plan that this one needs, without fine-tuned teachers."""
    needed: set[str] = set()
    queue = [run.id]
    while queue:
        for name in runs[queue.pop()].recipe.needs:
            if name in runs and name not in needed and runs[name].recipe.stage != "finetune":
                needed.add(name)
                queue.append(name)
    return needed


def costs(plan: Plan) -> pd.DataFrame:
    """Return the mean cost of each variant over its finished seeds.

    Columns: role, what, those of `COSTS`, seeds (students, of all teachers).
    """
    frame = pd.DataFrame(rows(plan))
    if frame.empty:
        return pd.DataFrame(columns=["role", "what", "seeds", *COSTS])
    frame = frame.drop_duplicates("run").rename(columns={"method": "role", "title": "what"})
    grouped = frame.groupby(["role", "what"], sort=False)
    return grouped[COSTS].mean().assign(seeds=grouped.size()).reset_index()


def teachers(plan: Plan) -> list[dict[str, Any]]:
    """Return the fine-tuned teachers: role, seed, run, checkpoint, metrics by split, seconds."""
    runs = store.get_many(step.recipe.run_id for step in plan.steps)
    return [
        {
            "role": step.role,
            "seed": step.seed,
            "run": step.recipe.run_id,
            "checkpoint": step.recipe.inputs.get("checkpoint", "").split("#")[0],
            "metrics": runs[step.recipe.run_id].outcome.metrics,
            "seconds": round(runs[step.recipe.run_id].seconds, 3),
        }
        for step in plan.steps
        if roles.is_teacher(step.role) and results.done(runs.get(step.recipe.run_id))
    ]


def unfinished(plan: Plan) -> list[dict[str, Any]]:
    """Return the compared students that are not finished, and why."""
    runs = store.get_many(step.recipe.run_id for step in plan.steps)
    planned = {step.recipe.run_id for step in plan.steps}
    return [
        {
            "method": step.role,
            "seed": step.seed,
            "run": step.recipe.run_id,
            "reason": results.reason(runs.get(results.blocking(step.recipe.run_id, runs, planned))),
        }
        for step in plan.steps
        if roles.is_compared(step.role) and not results.done(runs.get(step.recipe.run_id))
    ]


# --- verdicts --------------------------------------------------------------------------------


def variants(plan: Plan) -> list[str]:
    """Return the variants of a comparison, in its order, whether or not they are finished."""
    return list(dict.fromkeys(step.role for step in plan.steps if roles.is_compared(step.role)))


def baseline(variants: list[str]) -> str:
    """Return the variant with which the others are planned to be compared.

    Comparisons with any other one are exploratory.
    """
    return next((name for name in BASELINES if name in variants), variants[0])


def differences(
    values: pd.DataFrame, split: str, metric: str, against: str, planned: list[str]
) -> pd.DataFrame:
    """Return the verdict on each variant against one of them, paired over seeds.

    Of several teachers the means over them are paired, and the error is that over teachers too.
    Corrected for all `planned` variants, finished or not. Columns: role, what (its title), and
    those of `verdict.Verdict`; variants that are not finished have no row.
    """
    by_role = samples.by_role(values, split, metric)
    found = {role: own for role, own in by_role.items() if len(own.values)}
    others = [variant for variant in planned if variant != against]
    pairs = {
        variant: (found[variant], found[against])
        for variant in others
        if {variant, against} <= found.keys()
    }
    return verdict.table(verdict.verdicts(pairs, others, metric), "role", roles.title)
