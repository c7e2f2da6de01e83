"""Two models compared: parameters that differ, and their answers example by example."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.runs.outputs import Outputs
from sparsekd.runs.records import Plan, Run, State, Step
from sparsekd.studies import roles
from sparsekd.tasks.cards import TaskCard


def parameter_differences(plan: Plan) -> pd.DataFrame:
    """Return the parameters in which the students of the first seed differ, a column for each."""
    firsts: dict[str, Step] = {}
    for step in plan.steps:
        if roles.is_reported(step.role) and step.recipe.stage == "distil":
            firsts.setdefault(step.role, step)
    titles = {step.recipe.run_id: roles.title(step.role) for step in plan.steps}
    flat = {roles.title(role): _flat(step, titles) for role, step in firsts.items()}
    table = pd.DataFrame(flat).fillna("–")
    differs = table.nunique(axis=1) > 1
    return table[differs].rename_axis("parameter").reset_index()


def _flat(step: Step, titles: dict[str, str]) -> dict[str, str]:
    recipe = step.recipe
    texts = {"stage": recipe.stage, "method": recipe.method or recipe.variant or "–"}
    for role, name in recipe.inputs.items():
        texts[role] = titles.get(name, name.split("#")[0])
    if recipe.method == "fine_tuning":
        texts["teacher"] = "none"
    for group, values in recipe.params.items():
        pairs = values.items() if isinstance(values, dict) else [("", values)]
        texts |= {f"{group} {name}".strip(): str(value) for name, value in pairs}
    return texts


# --- example by example ----------------------------------------------------------------------


def finished_models(plan: Plan, runs: dict[str, Run]) -> dict[str, Run]:
    """Return the finished models that are reported, by "role, seed n"."""
    return {
        f"{step.role}, seed {step.seed}": runs[step.recipe.run_id]
        for step in plan.steps
        if roles.is_reported(step.role)
        and step.recipe.run_id in runs
        and runs[step.recipe.run_id].state is State.DONE
    }


def default_pair(names: list[str]) -> tuple[str, str]:
    """Return the two models to compare first.

    Those are the students with and without the sparse teacher; in a comparison, the first
    variant that is not a baseline, and vanilla distillation.
    """
    if any(name.startswith("student, ") for name in names):
        return _first(names, "student, "), _first(names, "trial_student, ")
    baselines = ("vanilla, ", "fine_tuning, ")
    variants = [
        n for n in names if roles.is_compared(n.split(",")[0]) and not n.startswith(baselines)
    ]
    return (variants or names)[0], _first(names, "vanilla, ")


def _first(names: list[str], start: str) -> str:
    return next((name for name in names if name.startswith(start)), names[-1])


def example_agreement(card: TaskCard, one: Outputs, other: Outputs) -> pd.DataFrame:
    """Return both answers to each example, and which model is right (regression: nearer).

    Columns: row, gold, first, second, right ("first", "second", "both" or "neither").

    Shapes: logits (N, C), labels (N,).
    """
    gold = one[1]
    if card.regression:
        answers = [logits[:, 0] for logits, _ in (one, other)]
        far = [np.abs(answer - gold) for answer in answers]
        near = np.select([far[0] < far[1], far[0] > far[1]], ["first", "second"], "both")
        return _rows(gold, answers[0], answers[1], near)
    answers = [logits.argmax(axis=1) for logits, _ in (one, other)]
    correct = [answer == gold for answer in answers]
    right = np.select(
        [correct[0] & ~correct[1], ~correct[0] & correct[1], correct[0] & correct[1]],
        ["first", "second", "both"],
        "neither",
    )
    names = np.array(card.labels)
    return _rows(names[gold], names[answers[0]], names[answers[1]], right)


def _rows(
    gold: NDArray[Any], one: NDArray[Any], other: NDArray[Any], right: NDArray[Any]
) -> pd.DataFrame:
    columns = {"row": np.arange(len(gold)), "gold": gold, "first": one, "second": other}
    return pd.DataFrame(columns | {"right": right})
