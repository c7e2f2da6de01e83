"""Tuning: a comparison's variants with several settings, and the one of each that is reported.

Every setting is tried on the same seeds. Of each variant the setting of the best mean on the
selection split is chosen, by the task's first metric; what is reported is that one's, on other
data. Which parameters are tuned is read off the recipes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import pandas as pd

from sparsekd.catalog.fields import bounds, label, label_in_sentence
from sparsekd.catalog.methods import COMPARED
from sparsekd.catalog.parameters import Params, TrainParams
from sparsekd.runs import references, store
from sparsekd.runs.records import Plan, Recipe, Run, State, Step
from sparsekd.studies import roles
from sparsekd.studies.teacher_parts import parts

SELECTION = "selection"
COLUMNS = ("role", "what", "setting", "values", "selected", "seeds", "planned", "chosen")


@dataclass(frozen=True)
class Try:
    """A variant with one setting: the values of the tuned parameters, and a step for each seed."""

    role: str
    values: Mapping[str, Any]
    steps: tuple[Step, ...]

    @property
    def words(self) -> str:
        """The setting in words: "learning rate 0.0001, α 0.5"."""
        return ", ".join(
            f"{label_in_sentence(name)} {value:g}" for name, value in self.values.items()
        )


@dataclass(frozen=True, eq=False)
class Tuning:
    """The settings of a comparison's variants; `tries` has each variant that is compared."""

    plan: Plan
    tries: Mapping[str, tuple[Try, ...]]

    @cached_property
    def names(self) -> list[str]:
        """The tuned parameters of any variant, in the order in which they were asked for."""
        first_change: dict[str, int] = {}  # of a product the first one's values change last
        for first, *others in self.tries.values():
            for name, value in first.values.items():
                place = next(n for n, one in enumerate(others) if one.values[name] != value)
                first_change[name] = max(place, first_change.get(name, 0))
        return sorted(first_change, key=lambda name: -first_change[name])

    @cached_property
    def _runs(self) -> dict[str, Run]:
        return store.plan_runs(self.plan)

    @cached_property
    def criterion(self) -> str:
        """The metric that chooses: the task's first; empty before any run has ended."""
        card = references.cards().get(self.plan.task)
        if card:
            return card.metrics[0]
        known = (run.outcome.metrics.get(SELECTION, {}) for run in self._runs.values())
        return next((name for metrics in known for name in metrics), "")

    def selected(self, one: Try) -> list[float]:
        """Return the criterion on the selection split in each finished seed of a try."""
        runs = (self._runs.get(step.recipe.run_id) for step in one.steps)
        done = [run for run in runs if run is not None and run.state is State.DONE]
        return [run.outcome.metrics[SELECTION][self.criterion] for run in done]

    def finished(self, role: str) -> list[Try]:
        """Return the tries of a variant that are finished in all seeds: the choice is of these."""
        return [one for one in self.tries[role] if len(self.selected(one)) == len(one.steps)]

    def chosen(self, role: str) -> Try | None:
        """Return the try of the best mean; of equal ones the first given, None before any."""
        means = [(sum(self.selected(one)) / len(one.steps), one) for one in self.finished(role)]
        return max(means, key=lambda pair: pair[0])[1] if means else None

    def table(self) -> pd.DataFrame:
        """Return one row per variant and try; see `COLUMNS`.

        `selected` is the mean criterion on the selection split over the `seeds` that are finished,
        of those `planned`.
        """
        rows = []
        for role, tries in self.tries.items():
            chosen = self.chosen(role)
            for one in tries:
                values = self.selected(one)
                rows.append(
                    {
                        "role": role,
                        "what": roles.title(role),
                        "setting": one.words or "not tuned",
                        "values": dict(one.values),
                        "selected": sum(values) / len(values) if values else float("nan"),
                        "seeds": len(values),
                        "planned": len(one.steps),
                        "chosen": one is chosen,
                    }
                )
        return pd.DataFrame(rows, columns=list(COLUMNS))


def tuning(plan: Plan) -> Tuning | None:
    """Return the settings of a comparison of one teacher; None where nothing is tuned.

    Of several teachers take `tunings`.
    """
    if plan.kind != "comparison":
        return None
    steps: dict[str, list[Step]] = {}
    for step in plan.steps:
        if roles.is_compared(step.role):
            steps.setdefault(step.role, []).append(step)
    tries = {role: _tries(role, own) for role, own in steps.items()}
    several = any(len(each) > 1 for each in tries.values())
    return Tuning(plan, tries) if several else None


def tunings(plan: Plan) -> list[Tuning]:
    """Return the settings with each teacher of a comparison; none where nothing is tuned."""
    return [found for part in parts(plan) if (found := tuning(part))]


def _tries(role: str, steps: list[Step]) -> tuple[Try, ...]:
    """Return a variant's steps by setting, in their order."""
    if len({step.seed for step in steps}) == len(steps):
        return (Try(role, {}, tuple(steps)),)
    values = {step.recipe.run_id: _parameters(step.recipe) for step in steps}
    first = values[steps[0].recipe.run_id]
    differing = [n for n in first if any(each[n] != first[n] for each in values.values())]
    found: dict[tuple[Any, ...], list[Step]] = {}
    for step in steps:
        own = values[step.recipe.run_id]
        found.setdefault(tuple(own[name] for name in differing), []).append(step)
    return tuple(
        Try(role, dict(zip(differing, key, strict=True)), tuple(own)) for key, own in found.items()
    )


def _parameters(recipe: Recipe) -> dict[str, Any]:
    """Return the parameters of training and method by name, those left at their default too."""
    method = COMPARED[recipe.method].params.of(recipe.params["method"])
    return TrainParams.of(recipe.params["train"]).model_dump() | method.model_dump()


def reported(plan: Plan) -> Plan:
    """Return a plan without the tries that are not chosen; itself where nothing is tuned.

    A variant of which no try is finished in all seeds has no step. Each teacher's students have
    the setting that is the best with it.
    """
    tuned = tunings(plan)
    if not tuned:
        return plan
    left_out = {
        step.recipe.run_id
        for found in tuned
        for role, tries in found.tries.items()
        for one in tries
        if len(tries) > 1 and one is not found.chosen(role)
        for step in one.steps
    }
    kept = tuple(step for step in plan.steps if step.recipe.run_id not in left_out)
    return replace(plan, steps=kept)


def settings_in_words(plan: Plan) -> dict[str, str]:
    """Return the setting of each try in words, by run id; nothing where nothing is tuned."""
    return {
        step.recipe.run_id: one.words
        for found in tunings(plan)
        for tries in found.tries.values()
        for one in tries
        for step in one.steps
        if one.values
    }


# --- in words --------------------------------------------------------------------------------


def notes(found: Tuning) -> list[str]:
    """Return what limits a fair choice: variants not tuned, chosen values at an end, missing tries.

    Each is a sentence that stands beside the verdict.
    """
    return [*_not_tuned(found), *_at_an_end(found), *_missing(found)]


def _not_tuned(found: Tuning) -> list[str]:
    sentences = []
    for name in found.names:
        own = [role for role, tries in found.tries.items() if name not in tries[0].values]
        lacking = [role for role in own if not _has(found.tries[role][0], name)]
        setting = [role for role in own if role not in lacking]
        if lacking:
            why = "the method has none" if len(lacking) == 1 else "these methods have none"
            sentences.append(f"{label(name)} was not tuned for {_listed(lacking)}: {why}.")
        if setting:
            why = "it is what makes the variant"
            sentences.append(f"{label(name)} was not tuned for {_listed(setting)}: {why}.")
    return sentences


def _has(one: Try, name: str) -> bool:
    recipe = one.steps[0].recipe
    if name in TrainParams.model_fields:
        return recipe.stage != "baseline"
    return name in COMPARED[recipe.method].params.model_fields


def _at_an_end(found: Tuning) -> list[str]:
    """Return which chosen values lie at an end of the tried ones, if a further one is allowed."""
    ends: list[tuple[str, str]] = []
    for role, tries in found.tries.items():
        chosen = found.chosen(role)
        for name, value in chosen.values.items() if chosen else ():
            values = [one.values[name] for one in tries]
            low, high = bounds(_class(tries[0], name).model_fields[name])
            chosen_value = f"{label_in_sentence(name)} {value:g}"
            if value == max(values) and (high is None or value < high):
                words = f"{chosen_value} is the largest tried: a larger one may be better"
                ends.append((words, role))
            elif value == min(values) and (low is None or value > low):
                words = f"{chosen_value} is the smallest tried: a smaller one may be better"
                ends.append((words, role))
    grouped = groupby(sorted(ends, key=lambda pair: pair[0]), key=lambda pair: pair[0])
    return [f"{_listed([role for _, role in each])}: the chosen {end}." for end, each in grouped]


def _class(one: Try, name: str) -> type[Params]:
    method = COMPARED[one.steps[0].recipe.method].params
    return TrainParams if name in TrainParams.model_fields else method


def _missing(found: Tuning) -> list[str]:
    counts = {
        role: (len(found.finished(role)), len(tries))
        for role, tries in found.tries.items()
        if len(tries) > 1
    }
    partly: dict[tuple[int, int], list[str]] = {}
    for role, (done, planned) in counts.items():
        if done < planned:
            partly.setdefault((done, planned), []).append(role)
    return [
        f"{_listed(own)}: {done} of {planned} settings are finished in all seeds; "
        + ("the choice is of these." if done else "none is chosen yet.")
        for (done, planned), own in partly.items()
    ]


def _listed(names: Iterable[str]) -> str:
    return "; ".join(roles.title(name) for name in names)
