"""Two models held against each other: their parameters, and their answers example by example."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.runs.outputs import Outputs
from sparsekd.runs.records import Plan, Step
from sparsekd.studies import roles
from sparsekd.tasks.cards import TaskCard


def differences(plan: Plan) -> pd.DataFrame:
    """Parameters in which the students of the first seed differ, one column per student."""
    firsts: dict[str, Step] = {}
    for step in plan.steps:
        if roles.reported(step.role) and step.recipe.stage == "distil":
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


def judged(card: TaskCard, one: Outputs, other: Outputs) -> pd.DataFrame:
    """Per example what two models say, and who is right: first, second, both or neither.

    Shapes: logits (N, C), labels (N,).
    """
    gold = one[1]
    if card.regression:
        far = [np.abs(logits[:, 0] - gold) for logits, _ in (one, other)]
        near = np.select([far[0] < far[1], far[0] > far[1]], ["first", "second"], "both")
        answers = [logits[:, 0] for logits, _ in (one, other)]
        return _rows(gold, answers[0], answers[1], near)
    answers = [logits.argmax(axis=1) for logits, _ in (one, other)]
    right = [said == gold for said in answers]
    who = np.select(
        [right[0] & ~right[1], ~right[0] & right[1], right[0] & right[1]],
        ["first", "second", "both"],
        "neither",
    )
    names = np.array(card.labels)
    return _rows(names[gold], names[answers[0]], names[answers[1]], who)


def _rows(
    gold: NDArray[Any], one: NDArray[Any], other: NDArray[Any], who: NDArray[Any]
) -> pd.DataFrame:
    columns = {"row": np.arange(len(gold)), "gold": gold, "first": one, "second": other}
    return pd.DataFrame(columns | {"who": who})
