"""The majority baseline beside the models of a run or a plan, from what their runs have stored.

Which answer is the most frequent in training is a fact of each training; of older runs it is read
off the selection split, a sample of the training data.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from sparsekd.runs import outputs, references, store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.studies import roles
from sparsekd.studies.models import Answers, answers
from sparsekd.studies.stats import LEAST_SEEDS
from sparsekd.tasks import calibration, majority, metrics
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.majority import ONE, TITLES, Standing

SELECTION = "selection"


def label_means(run: Run, card: TaskCard) -> list[float]:
    """Return the frequencies of the labels that a training knew; see `majority.label_means`."""
    known = run.outcome.facts.get("label_means")
    if known is not None:
        return [float(value) for value in known]
    kept = outputs.load_outputs(run.folder, SELECTION)
    return [] if kept is None else majority.label_means(card, kept[1])


def scores(run: Run, card: TaskCard, split: str) -> dict[str, float]:
    """Return the baseline's metrics on the examples of a run's split; empty where none are kept."""
    kept = outputs.load_outputs(run.folder, split)
    return {} if kept is None else majority.scores(card, label_means(run, card), kept[1])


def reported_score(run: Run, card: TaskCard | None) -> float | None:
    """Return the baseline's first metric on the first reported split; None where unknown."""
    if card is None or run.state is not State.DONE:
        return None
    return scores(run, card, card.validation[0]).get(card.metrics[0])


def standing(run: Run, card: TaskCard, split: str) -> Standing | None:
    """Return how a finished model stands beside the baseline; None where it kept no answers."""
    kept = outputs.load_outputs(run.folder, split)
    return None if kept is None else majority.standing(card, label_means(run, card), *kept)


def facts(run: Run, card: TaskCard) -> dict[str, Any]:
    """Return the baseline's metrics by reported split, and warnings about the model, as JSON."""
    found = {split: scores(run, card, split) for split in card.validation}
    return {"majority": found, "warnings": warnings(run, card)}


def warnings(run: Run, card: TaskCard) -> list[str]:
    """Return what is wrong with a finished model on each reported split, as sentences."""
    stands = {split: standing(run, card, split) for split in card.validation}
    words = {split: one.warning(card.kind) if one else "" for split, one in stands.items()}
    return [f"On {split}: {text}" for split, text in words.items() if text]


def quality_in_words(run: Run, card: TaskCard, split: str) -> str:
    """Return whether a model is any good: above the baseline by how much, and how well calibrated.

    Empty where it kept no answers.
    """
    kept = outputs.load_outputs(run.folder, split)
    if kept is None:
        return ""
    means = label_means(run, card)
    words = majority.standing(card, means, *kept).in_words(card, means, split)
    if card.regression:
        return words
    sure, correct = calibration.confidences(card, *kept)
    error, chance = calibration.error(sure, correct), calibration.chance_error(sure)
    return f"{words} Calibration error {error:.3f} (of a perfectly calibrated model: {chance:.3f})."


# --- a plan ----------------------------------------------------------------------------------


def plan_scores(plan: Plan, split: str) -> dict[str, float]:
    """Return the baseline's metrics on a split of a plan: of what its first model has learned from.

    Empty before a model is finished, and where the task is not known here.
    """
    card = references.cards().get(plan.task)
    runs = store.plan_runs(plan)
    for step in plan.steps if card else ():
        run = runs.get(step.recipe.run_id)
        if card and run and run.state is State.DONE:
            found = scores(run, card, split)
            if found:
                return found
    return {}


def plan_warnings(plan: Plan, split: str, metric: str, table: pd.DataFrame) -> list[str]:
    """Return which models of a plan have learned nothing, as sentences.

    Those are the ones that give one answer to every text, and those that are not above the
    baseline: by the 95% interval over seeds or, of fewer than five seeds, over examples.

    Args:
        table: The frame of `results.summary` of this split and metric.
    """
    card = references.cards().get(plan.task)
    usual = plan_scores(plan, split).get(metric)
    if card is None:
        return []
    means = {str(row["role"]): row for row in table.to_dict("records")}
    found = {role: own for role, own in _by_role(answers(plan, split)).items() if role in means}
    silent = {role: _same_answers(own, card) for role, own in found.items()}
    below = []
    for role, own in found.items():
        mean, low = float(means[role]["mean"]), float(means[role]["low"])
        if usual is None or metrics.lower_is_better(metric) or len(silent[role]) == len(own):
            continue
        if len(own) < LEAST_SEEDS:
            first = metric == card.metrics[0]
            low = usual + _mean_low(own, card) if first else mean
        if not low > usual:
            below.append(f"{roles.title(role)} ({mean:.3f})")
    return [*_silent_in_words(found, card), *not_above(card, usual, below)]


def not_above(card: TaskCard, usual: float | None, names: Iterable[str]) -> list[str]:
    """Return the sentence on models that are not above the baseline; nothing where all are."""
    listed = "; ".join(names)
    if not listed or usual is None:
        return []
    return [f"Not clearly above the {TITLES[card.kind]} ({usual:.3f}): {listed}."]


def silent_in_words(plan: Plan, split: str) -> list[str]:
    """Return which models of a plan give one answer to every text; nothing where none does."""
    card = references.cards().get(plan.task)
    return _silent_in_words(_by_role(answers(plan, split)), card) if card else []


def _silent_in_words(found: Mapping[str, list[Answers]], card: TaskCard) -> list[str]:
    parts = []
    for role, own in found.items():
        same = _same_answers(own, card)
        if same:
            count = f" in {len(same)} of {len(own)} runs" if len(own) > 1 else ""
            named = ", ".join(dict.fromkeys(same))
            parts.append(f"{roles.title(role)}{count} ({named})")
    head = f"{ONE[card.kind].capitalize()} answered to every text"
    return [f"{head}: {'; '.join(parts)}."] if parts else []


def _same_answers(own: Iterable[Answers], card: TaskCard) -> list[str]:
    """Return the answer of each model that gives the same one to every text."""
    given = [majority.one_answer(card, *one.outputs) for one in own]
    return [answer for answer in given if answer]


def _by_role(found: Iterable[Answers]) -> dict[str, list[Answers]]:
    grouped: dict[str, list[Answers]] = {}
    for one in found:
        grouped.setdefault(one.role, []).append(one)
    return grouped


def _mean_low(own: list[Answers], card: TaskCard) -> float:
    """Return the lower end of value − baseline over examples, mean over models."""
    stands = [majority.standing(card, label_means(one.run, card), *one.outputs) for one in own]
    return sum(one.low for one in stands) / len(stands)


def plan_facts(plan: Plan, split: str, metric: str, table: pd.DataFrame) -> dict[str, Any]:
    """Return the baseline's metrics, and warnings, as JSON; see `plan_warnings`."""
    return {
        "majority": plan_scores(plan, split),
        "warnings": plan_warnings(plan, split, metric, table),
    }
