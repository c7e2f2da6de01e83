"""A comparison with several fine-tunings of its teacher, as one comparison for each of them."""

from dataclasses import replace

from sparsekd.runs.records import Plan, Step

TEACHER = "teacher"
"""The role of the dense teacher, of each of its fine-tunings."""


def parts(plan: Plan) -> tuple[Plan, ...]:
    """Return a plan for each fine-tuning of the teacher; the plan itself where there is one.

    What needs no teacher, such as a baseline, stands in each of them.
    """
    teachers = [step.recipe.run_id for step in plan.steps if step.role == TEACHER]
    if plan.kind != "comparison" or len(teachers) < 2:
        return (plan,)
    of = _teachers_of_runs(plan, teachers)
    return tuple(
        replace(plan, steps=tuple(step for step in plan.steps if _belongs(step, name, of)))
        for name in teachers
    )


def teacher_seed(part: Plan) -> int:
    """Return the seed that the teacher of a plan was fine-tuned with; 0 where it has none."""
    return next((step.seed for step in part.steps if step.role == TEACHER), 0)


def _belongs(step: Step, teacher: str, of: dict[str, set[str]]) -> bool:
    own = of[step.recipe.run_id]
    return not own or teacher in own


def _teachers_of_runs(plan: Plan, teachers: list[str]) -> dict[str, set[str]]:
    """Return the fine-tunings that each run needs, or that are made with it: empty for any.

    A further teacher has those of the students that learn from it.
    """
    of: dict[str, set[str]] = {step.recipe.run_id: set() for step in plan.steps}
    of |= {name: {name} for name in teachers}
    for step in plan.steps:  # each after what it needs
        for name in step.recipe.needs:
            of[step.recipe.run_id] |= of.get(name, set())
    for step in reversed(plan.steps):
        for name in step.recipe.needs:
            if name in of and name not in teachers:
                of[name] |= of[step.recipe.run_id]
    return of
