"""Results over label budgets and label noise: students and controls, verdicts, in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sparsekd.runs import references, store
from sparsekd.runs.records import Plan
from sparsekd.studies import results, teacher_kinds, verdict
from sparsekd.studies.stats import LEAST_SEEDS
from sparsekd.studies.sweeps import label_axes, sweep, sweep_results
from sparsekd.studies.sweeps.sweep_results import Choice
from sparsekd.studies.verdict import Verdict
from sparsekd.system.wording import counted, signed
from sparsekd.tasks.metrics import bounds

Place = tuple[float, float, str]
"""Label noise, labels (infinity for all) and method."""
COLUMNS = (
    *("noise", "labels", "known", "method", "kind", "what", "mean", "low", "high", "seeds"),
    *("values", "difference", "gap_low", "gap_high", "p_corrected", "verdict", "words", "ours"),
)
TEACHERS = ("noise", "labels", "known", "value")


@dataclass(frozen=True, eq=False)
class LabelStudy:
    """The students of a family of studies, by label noise, labels, method and kind of teacher.

    `ours` is the kind that is compared with every other: the student of the chosen sparse teacher,
    or of the dense one where there is no sparse one. The verdicts are corrected together, for
    every comparison of every study that is planned, finished or not.
    """

    split: str
    metric: str
    ours: str
    choices: dict[tuple[Place, str], Choice]
    verdicts: dict[tuple[Place, str], Verdict]
    known: dict[Place, float]
    teachers: pd.DataFrame

    def table(self) -> pd.DataFrame:
        """Return one row per finished student: its mean, and ours minus it with the verdict.

        Columns: see `COLUMNS`. `labels` is infinite where all are kept, `known` their number.
        """
        rows = [self._row(place, kind, one) for (place, kind), one in self.choices.items()]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _row(self, place: Place, kind: str, one: Choice) -> dict[str, Any]:
        values = one.sample.values
        low, high = one.sample.estimate().interval(bounds=bounds(self.metric))
        found = self.verdicts.get((place, kind))
        row = {
            **dict(zip(("noise", "labels", "method"), place, strict=True)),
            "known": self.known[place],
            "kind": kind,
            "what": student_title(kind),
            "mean": float(values.mean()),
            "low": low,
            "high": high,
            "seeds": len(values),
            "values": values.tolist(),
            "ours": kind == self.ours,
        }
        if found is None:
            return row
        return row | {
            "difference": found.difference,
            "gap_low": found.low,
            "gap_high": found.high,
            "p_corrected": found.p_corrected,
            "verdict": found.verdict,
            "words": found.words,
        }

    def sentences(self) -> list[str]:
        """Return the verdicts of each place as a sentence."""
        places = dict.fromkeys(place for place, _ in self.choices)
        return [self._sentence(place) for place in places]

    def _sentence(self, place: Place) -> str:
        head = f"{place_in_words(place[0], place[1])}: {student_title(self.ours)}"
        ours = self.choices.get((place, self.ours))
        found = {kind: one for (where, kind), one in self.verdicts.items() if where == place}
        if ours is None or not found:
            return f"{head} is not finished over all seeds, or has no control: no verdict yet."
        head += f" {ours.reported:.3f}"
        seeds = max(one.seeds for one in found.values())
        if seeds < LEAST_SEEDS:
            gaps = "; ".join(_gap(kind, one) for kind, one in found.items())
            return f"{head}. Inconclusive, {seeds} of at least {LEAST_SEEDS} seeds: {gaps}."
        alike = [
            f"{words} {'; '.join(_gap(k, one) for k, one in found.items() if one.verdict == name)}"
            for name, words in WORDS.items()
            if any(one.verdict == name for one in found.values())
        ]
        return f"{head}, {', '.join(alike)}."


WORDS = {
    verdict.BETTER: "better than",
    verdict.WORSE: "worse than",
    verdict.INCONCLUSIVE: "inconclusive against",
}


def _gap(kind: str, one: Verdict) -> str:
    return f"{teacher_kinds.with_article(kind)} ({signed(one.difference, 3)})"


def student_title(kind: str) -> str:
    """Return the title of the student of a kind of teacher."""
    return "StarK's student" if kind == "scores" else teacher_kinds.student_title(kind)


def place_in_words(noise: float, labels: float) -> str:
    """Return a label budget and a label noise in words."""
    budget = "All labels" if math.isinf(labels) else counted(int(labels), "label")
    return f"{budget}, {100 * noise:g}% label noise" if noise else budget


def label_study(plans: Sequence[Plan], metric: str = "", split: str = "") -> LabelStudy:
    """Return the results of the studies of a family; see `label_axes.family`."""
    card = references.card(plans[0].task)
    metric, split = metric or card.metrics[0], split or card.validation[0]
    choices: dict[tuple[Place, str], Choice] = {}
    planned: dict[Place, list[str]] = {}
    known: dict[Place, float] = {}
    teachers = []
    for plan in plans:
        noise, labels = label_axes.place_of(plan)
        students = sweep_results.students(plan)
        count = _known_labels(plan, labels)
        for method, found in sweep_results.conclusions(students, split, metric).items():
            place = (noise, labels, method)
            own = students[students["method"] == method]["ranking"].unique()
            shared = students["ranking"].isin(teacher_kinds.UNMASKED)
            free = students.loc[shared, "ranking"].unique()
            planned[place] = [k for k in teacher_kinds.KINDS if k in {*own, *free}]
            known[place] = count
            choices |= {
                (place, kind): one for kind, one in found.choices.items() if kind in planned[place]
            }
        teachers.append((noise, labels, count, _teacher_value(plan, split, metric)))
    ours = "scores" if any("scores" in kinds for kinds in planned.values()) else "dense"
    names = [(place, kind) for place, kinds in planned.items() for kind in kinds if kind != ours]
    pairs = {
        (place, kind): choices[place, ours].beside(choices[place, kind])
        for place, kind in names
        if (place, kind) in choices and (place, ours) in choices
    }
    frame = pd.DataFrame(teachers, columns=list(TEACHERS))
    verdicts = verdict.verdicts(pairs, names, metric)
    return LabelStudy(split, metric, ours, choices, verdicts, known, frame)


def families(plans: Sequence[Plan]) -> list[list[Plan]]:
    """Return the families among some studies that are label studies, each once."""
    found: dict[tuple[str, ...], list[Plan]] = {}
    for plan in plans:
        own = label_axes.family(plan, plans) if not plan.command else []
        if own and is_label_study(own):
            found.setdefault(tuple(each.id for each in own), own)
    return list(found.values())


def is_label_study(plans: Sequence[Plan]) -> bool:
    """Return whether there is something to show: several places, or no sparse teacher."""
    return len(plans) > 1 or not sweep.spec_of(plans[0]).positive_sparsities


def _teacher_value(plan: Plan, split: str, metric: str) -> float:
    name = plan.steps[0].recipe.run_id
    run = store.get_many([name]).get(name)
    if run is None or not results.done(run):
        return math.nan
    return run.outcome.metrics.get(split, {}).get(metric, math.nan)


def _known_labels(plan: Plan, labels: float) -> float:
    """Return the gold labels of a study's students; NaN where nothing has counted all of them."""
    if not math.isinf(labels):
        return labels
    runs = [run for run in store.plan_runs(plan).values() if results.done(run)]
    facts = [run.outcome.facts for run in runs if run.recipe.stage == "distil"]
    counts = [
        one["gold_labels"] + one["selection_labels"]
        for one in facts
        if {"gold_labels", "selection_labels"} <= one.keys()
    ]
    return float(np.max(counts)) if counts else math.nan
