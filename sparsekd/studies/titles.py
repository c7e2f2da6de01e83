"""Titles of the runs of a plan: the role, and what tells runs of one role apart."""

from sparsekd.runs import store, tables
from sparsekd.runs.records import Plan, Run, State
from sparsekd.runs.references import MODEL_STAGES
from sparsekd.studies import roles, tuning
from sparsekd.studies.sweeps import sweep
from sparsekd.studies.teacher_parts import parts, teacher_seed


def run_titles(plan: Plan) -> dict[str, str]:
    """Return the title of each run of a plan, by run id."""
    return _sweep_titles(plan) if plan.kind == "sweep" else _role_titles(plan)


def titled_models(plan: Plan) -> dict[str, Run]:
    """Return a plan's finished models that results report, by their titles, in its order.

    Those of the first seed stand first; of a tuned variant the chosen setting is there.
    """
    plan = tuning.reported(plan)
    found = run_titles(plan)
    runs = store.plan_runs(plan)
    models: dict[str, Run] = {}
    for step in sorted(plan.steps, key=lambda step: step.seed):
        run = runs.get(step.recipe.run_id)
        if run is None or run.state is not State.DONE or run.recipe.stage not in MODEL_STAGES:
            continue
        if roles.is_reported(step.role) or plan.kind == "sweep":
            models.setdefault(found[run.id], run)
    return models


def _role_titles(plan: Plan) -> dict[str, str]:
    """Return roles, with the setting that is tried, and the seeds where the plan has several."""
    tried = tuning.settings_in_words(plan)
    several = len({step.seed for step in plan.steps}) > 1
    teachers = _teacher_seeds(plan)
    found: dict[str, str] = {}
    for step in plan.steps:
        seeded = several and step.recipe.stage not in ("finetune", "score")
        name = step.recipe.run_id
        parts = [
            roles.title(step.role),
            tried.get(name, ""),
            teachers.get(name, ""),
            f"seed {step.seed}" * seeded,
        ]
        found.setdefault(name, ", ".join(part for part in parts if part))
    return found


def _teacher_seeds(plan: Plan) -> dict[str, str]:
    """Return which of several fine-tunings of the teacher a run needs or is, by run id."""
    pooled = parts(plan)
    of: dict[str, list[int]] = {}
    for part in pooled if len(pooled) > 1 else ():
        for step in part.steps:
            of.setdefault(step.recipe.run_id, []).append(teacher_seed(part))
    return {name: f"teacher seed {own[0]}" for name, own in of.items() if len(own) == 1}


def _sweep_titles(plan: Plan) -> dict[str, str]:
    """Return roles with the cell of the grid: λ, sparsity, number of the try, seed."""
    found = {
        step.recipe.run_id: tables.title(step.recipe)
        if step.recipe.stage == "prune"
        else roles.title(step.role)
        for step in plan.steps
    }
    for cell in sweep.cells(plan).to_dict("records"):
        parts = [
            found[cell["run"]],
            f"λ {cell['lam']:g}" if cell["ranking"] == "scores" else "",
            f"sparsity {cell['sparsity']:.0%}" if cell["sparsity"] > 0 else "",
            f"number {cell['attempt']}" if cell["attempt"] else "",
            f"seed {cell['seed']}",
        ]
        found[cell["run"]] = ", ".join(part for part in parts if part)
    return found
