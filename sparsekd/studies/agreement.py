"""Two models compared: parameters that differ, and their answers example by example."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import Incompatible
from sparsekd.runs.outputs import Outputs
from sparsekd.runs.records import Plan, Run, State, Step
from sparsekd.studies import roles, tuning
from sparsekd.tasks import agreement, calibration, metrics
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import label_values
from sparsekd.tasks.predictions import label_text


def parameter_differences(plan: Plan) -> pd.DataFrame:
    """Return the parameters in which the students of the first seed differ, a column for each."""
    firsts: dict[str, Step] = {}
    for step in tuning.reported(plan).steps:
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
        for step in tuning.reported(plan).steps
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


def example_agreement(
    card: TaskCard, one: Outputs, other: Outputs, texts: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return both answers to each example, those that differ most first, and which is right.

    Columns: row, text and pair (where given), gold, first, second, their confidences (classes
    only), divergence (of the second from the first, see `agreement.divergences`), right ("first",
    "second", "both" or "neither"; of a regression: the nearer).

    Args:
        texts: The frame of the split, with the columns text and, for pairs of texts, pair.

    With several labels a model is right where all of them are, and the divergence is their mean.

    Shapes: logits (N, C), labels (N,), with several labels (N, C).
    Raises:
        Incompatible: the texts are not those of the answers.
    """
    gold, answers = one[1], [metrics.predictions(card, logits) for logits, _ in (one, other)]
    columns: dict[str, Any] = {"row": np.arange(len(gold)), **text_columns(card, texts, gold)}
    if card.regression:
        far = [np.abs(answer - gold) for answer in answers]
        right = np.select([far[0] < far[1], far[0] > far[1]], ["first", "second"], "both")
        columns |= {"gold": gold, "first": answers[0], "second": answers[1]}
    else:
        correct = [(answer == gold).reshape(len(gold), -1).all(axis=1) for answer in answers]
        right = np.select(
            [correct[0] & ~correct[1], ~correct[0] & correct[1], correct[0] & correct[1]],
            ["first", "second", "both"],
            "neither",
        )
        for name, labels in (("gold", gold), ("first", answers[0]), ("second", answers[1])):
            columns[name] = _words(card, labels)
    if card.kind == "classes":
        for name, (logits, labels) in (("first", one), ("second", other)):
            columns[f"{name}_confidence"] = calibration.confidences(card, logits, labels)[0]
    apart = agreement.divergences(card, one[0], other[0])
    columns["divergence"] = apart.reshape(len(gold), -1).mean(axis=1)
    found = pd.DataFrame(columns | {"right": right})
    return found.sort_values("divergence", ascending=False, kind="stable", ignore_index=True)


def _words(card: TaskCard, labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels as text. Shapes: (N,) or (N, C) -> (N,)."""
    if card.multilabel:
        return np.array([label_text(card, label) for label in labels], dtype=object)
    return np.asarray(np.array(card.labels)[labels])


def text_columns(
    card: TaskCard, texts: pd.DataFrame | None, gold: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Return the columns of the texts, checked by their labels.

    Raises:
        Incompatible: the texts are not those of the answers.
    """
    if texts is None:
        return {}
    if len(texts) != len(gold) or not np.allclose(label_values(texts["label"]), gold):
        raise Incompatible(
            f"The texts of {card.name} are not those that these models answered.",
            "Its files have changed since, or were read in another way: train again.",
        )
    return {name: texts[name].to_numpy() for name in ("text", "pair") if name in texts}
