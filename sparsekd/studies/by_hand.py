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


def plan(name: str) -> Plan:
    """Return a study by its id, requested or not.

    Raises:
        NotFound: no such study.
    """
    grown = next((one for one in all_plans() if one.name == name), None)
    return grown or store.plan(name)


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
            _plan(first[name], [step for _, step in sorted(rows, key=lambda row: row[0])], pruned),
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


def _plan(teacher: Run, steps: list[Step], pruned: dict[str, Run]) -> Plan:
    """Return a study of the runs that can be compared; of a role and seed the newest is in it."""
    newest = {(step.role, step.seed): step for step in _alike(steps, pruned)}
    order = list(roles.ROLES)
    kept = sorted(newest.values(), key=lambda step: (step.seed, order.index(step.role)))
    task = teacher.recipe.task
    title = f"{task} · {tables.title(teacher.recipe)}"
    return Plan(title, task, (Step("teacher", teacher.recipe), *kept), name=teacher.id)


def _alike(steps: list[Step], pruned: dict[str, Run]) -> list[Step]:
    """Return the steps that differ from the newest student in nothing but their role and seed.

    The newest student of a sparse teacher decides, else that of the dense one; masks and scores
    are those that the students come from.
    """
    students = [step for step in steps if step.recipe.stage == "distil"]
    if not students:
        return steps
    of_dense = [step for step in students if step.role == "trial_student"]
    of_sparse = [step for step in students if step.role == "student"]
    last = (of_sparse or of_dense or students)[-1].recipe
    alike = [step for step in students if _same_training(step.recipe, last)]
    masks = [mask for step in alike if (mask := _mask(step.recipe, pruned)) is not None]
    wanted = _mask(last, pruned) or (masks[-1] if masks else None)
    kept = [step for step in alike if _mask(step.recipe, pruned) in (None, wanted)]
    for role, stage in (("teacher", "prune"), ("scores", "score")):
        named = {step.recipe.inputs.get(role) for step in kept}
        there = [step for step in steps if step.recipe.stage == stage]
        kept += [step for step in there if step.recipe.run_id in named] or there
    return kept


def _same_training(one: Recipe, other: Recipe) -> bool:
    """Return whether two students are trained alike; one with no soft labels has its own method."""
    names = ["train", "student"]
    if "fine_tuning" not in (one.method, other.method):
        names.append("method")
        if one.method != other.method:
            return False
    return all(one.params.get(name) == other.params.get(name) for name in names)


def _mask(student: Recipe, pruned: dict[str, Run]) -> dict[str, object] | None:
    """Return the parameters of the mask of a student's teacher, but for its kind; None: dense."""
    teacher = pruned.get(student.inputs["teacher"])
    if teacher is None:
        return None
    return {name: value for name, value in teacher.recipe.params["mask"].items() if name != "kind"}
