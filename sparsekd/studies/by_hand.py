"""All studies: those that were requested whole, and those that grew from runs launched singly."""

from collections.abc import Iterable

from sparsekd.runs import store, tables
from sparsekd.runs.records import Plan, Recipe, Run, Step
from sparsekd.studies import roles

ROLES_OF_MASKS = {"scores": "sparse_teacher", "random": "random_mask_teacher"}


def all_plans() -> list[Plan]:
    """Return all studies, the one with the newest request first.

    A teacher that is in no requested study has one of its own, of the runs that were launched for
    it one by one; its id is the teacher's.
    """
    dated = store.dated_plans()
    planned = {step.recipe.run_id for _, plan in dated for step in plan.steps}
    teachers = [run for run in store.runs("finetune") if run.id not in planned]
    if teachers:
        dated += _by_teacher(teachers)
    return [plan for _, plan in sorted(dated, key=lambda one: -one[0])]


def _by_teacher(teachers: Iterable[Run]) -> list[tuple[float, Plan]]:
    """Return when the newest run of each teacher was launched, and the study of its runs."""
    first = {run.id: run for run in teachers}
    learned = store.runs_of_teachers(first)
    pruned = {run.id: run for run in learned if run.recipe.stage == "prune"}
    second = store.runs_of_teachers(pruned)
    found: dict[str, list[tuple[float, Step]]] = {name: [] for name in first}
    for run in (*learned, *second):
        teacher = run.recipe.inputs["teacher"]
        role = _role(run.recipe, teacher, first, pruned)
        owner = pruned[teacher].recipe.inputs["teacher"] if teacher in pruned else teacher
        if role:
            found[owner].append((run.created, Step(role, run.recipe)))
    return [
        (
            max([first[name].created, *(created for created, _ in rows)]),
            _plan(first[name], [step for _, step in sorted(rows, key=lambda row: row[0])]),
        )
        for name, rows in found.items()
    ]


def _role(
    recipe: Recipe, teacher: str, first: dict[str, Run], pruned: dict[str, Run]
) -> str | None:
    """Return the role of a run in the study of its teacher; None where it has none."""
    if recipe.stage == "score":
        return "scores"
    if recipe.stage == "prune" and teacher in first:
        return ROLES_OF_MASKS.get(recipe.variant)
    if recipe.stage != "distil":
        return None
    if teacher in pruned:
        made = ROLES_OF_MASKS.get(pruned[teacher].recipe.variant)
        return {"sparse_teacher": "student", "random_mask_teacher": "random_mask_student"}.get(
            made or ""
        )
    return "plain_student" if recipe.method == "fine_tuning" else "trial_student"


def _plan(teacher: Run, steps: list[Step]) -> Plan:
    """Return a study; of a role and seed the newest run is in it."""
    newest = {(step.role, step.seed): step for step in steps}
    order = list(roles.ROLES)
    kept = sorted(newest.values(), key=lambda step: (step.seed, order.index(step.role)))
    task = teacher.recipe.task
    title = f"{task} · {tables.title(teacher.recipe)}"
    return Plan(title, task, (Step("teacher", teacher.recipe), *kept), name=teacher.id)
