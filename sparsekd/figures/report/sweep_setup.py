"""The setup of a sweep as a list: task, models, budget, grid, selection."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from sparsekd.figures.theme import metric_title
from sparsekd.runs import references
from sparsekd.runs.records import Plan, Recipe
from sparsekd.studies import teacher_kinds
from sparsekd.studies.study_metric import Level
from sparsekd.studies.sweeps import sweep


def setup(plan: Plan, metric: str, split: str, level: Level | None = None) -> str:
    """Return the setup of a sweep as an HTML list, with the majority baseline."""
    recipes = {step.recipe.run_id: step.recipe for step in plan.steps}
    cells = sweep.cells(plan)
    first = recipes[cells.loc[~cells["ranking"].isin(teacher_kinds.UNMASKED), "run"].iloc[0]]
    tries = cells.drop_duplicates(["ranking", "method", "lam", "sparsity", "attempt"])
    counted = tries.groupby("ranking", sort=False).size()
    scored = cells[cells["ranking"] == "scores"]
    train = first.params["train"]
    values = {
        "Task": f"{references.card(plan.task).title} ({plan.task})",
        "Teacher": _teacher(plan.steps[0].recipe),
        "Student": _student(first.params["student"]),
        "Budget of every student": _pairs(
            train | {"train_examples": train["train_examples"] or "all"}
        ),
        "λ": _listed(scored["lam"]),
        "Sparsity": _listed(cells["sparsity"]),
        "Seeds": _listed(cells["seed"]),
        "Students per seed": ", ".join(
            f"{count} {teacher_kinds.of_teachers(str(name))}" for name, count in counted.items()
        ),
        "Selection": "by the mean over seeds on the selection split, which nothing is reported on",
        "Reported": metric_title(metric, split),
    }
    values |= {level.title: f"{level.value:.3f}"} if level else {}
    rows = [f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in values.items()]
    return f"<dl>{''.join(rows)}</dl>"


def _teacher(recipe: Recipe) -> str:
    """Return the checkpoint by name, without the folders of this machine."""
    return f"{_name(recipe.inputs.get('checkpoint', ''))}, run {recipe.run_id}"


def _name(reference: str) -> str:
    kind, _, rest = reference.partition(":")
    return Path(rest.rpartition("#")[0]).name if kind == "folder" else rest or "demo model"


def _student(params: Mapping[str, Any]) -> str:
    """Return where a student's first weights come from, and its size."""
    choice = params["choice"]
    if choice == "checkpoint":
        return f"from the checkpoint {_name(params['checkpoint'])}"
    if choice == "pruned":
        return f"the teacher without {params['sparsity']:.0%} of its units"
    layers = f"{params['layers']} layer{'s' if params['layers'] > 1 else ''}"
    if choice == "random":
        return f"{layers} of random weights"
    if choice == "pretrained":
        return f"bottom {layers} of the teacher's pre-trained checkpoint"
    return f"{choice} {layers} of the teacher"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def _listed(values: pd.Series) -> str:
    return ", ".join(f"{value:g}" for value in sorted(values.dropna().unique()))
