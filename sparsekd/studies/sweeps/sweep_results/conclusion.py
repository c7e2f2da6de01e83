"""The conclusion of a sweep: for each method the chosen cell, the verdicts and a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from sparsekd.studies import teacher_kinds, verdict
from sparsekd.studies.sweeps.sweep_results.choosing import Choice, Tries
from sparsekd.studies.sweeps.sweep_results.wording import sentence
from sparsekd.studies.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Conclusion:
    """The conclusion of a sweep for one method, on one reported split and metric.

    `choices` are the best try of each kind of teacher, `verdicts` compare the student of the
    chosen sparse teacher, or of the dense one where the study has no sparse ones, with each
    control, both without the luck of choosing; by kind (see `teacher_kinds`), without those that
    are not finished.
    """

    method: str
    split: str
    metric: str
    tries: Tries
    choices: dict[str, Choice]
    verdicts: dict[str, Verdict]

    @property
    def sentence(self) -> str:
        """The verdict in words, the evidence, and what limits it."""
        ours = self.choices.get(self.tries.ours)
        return sentence(ours, self.choices, self.verdicts, self.alike_cells, self.metric)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict against the dense teacher, or the first control."""
        return self.verdicts.get("dense") or next(iter(self.verdicts.values()), None)

    @property
    def cell(self) -> tuple[float, float] | None:
        """The chosen λ and sparsity; λ is 0 at sparsity 0, where it plays no part."""
        ours = self.choices.get(self.tries.ours)
        if ours is None:
            return None
        return (ours.lam, ours.sparsity) if ours.sparsity else (0.0, 0.0)

    @cached_property
    def alike_cells(self) -> list[tuple[float, float]]:
        """The λ and sparsity of the chosen cell and of those that cannot be told apart from it."""
        return self.tries.alike("scores")

    def table(self) -> pd.DataFrame:
        """Return the verdicts as rows: control, what (its title), `verdict.COLUMNS`."""
        return verdict.table(self.verdicts, "control", teacher_kinds.title)


def methods(students: pd.DataFrame) -> list[str]:
    """Return the methods of a sweep, without what trains the students that no mask concerns."""
    return list(students.loc[~students["ranking"].isin(teacher_kinds.UNMASKED), "method"].unique())


def conclusions(
    students: pd.DataFrame, split: str, metric: str, selection_metric: str | None = None
) -> dict[str, Conclusion]:
    """Return the conclusion for each method of a sweep.

    λ and sparsity are chosen on the selection split, each control's best try too. The verdicts are
    corrected together, for every control of every method that is planned, finished or not.

    Args:
        students: The frame of `sweep_results.students`.
    """
    chosen_by = selection_metric or metric
    tries = {
        method: Tries.of(students, method, split, metric, chosen_by) for method in methods(students)
    }
    return conclude(tries, split, metric)


def conclude(tries: Mapping[str, Tries], split: str, metric: str) -> dict[str, Conclusion]:
    """Return the conclusion for each method from its tries."""
    choices = {method: own.choices() for method, own in tries.items()}
    planned = [(method, kind) for method, own in tries.items() for kind in own.controls()]
    pairs = {
        (method, kind): choices[method][tries[method].ours].beside(choices[method][kind])
        for method, kind in planned
        if {tries[method].ours, kind} <= set(choices[method])
    }
    results = verdict.verdicts(pairs, planned, metric)
    return {
        method: Conclusion(
            method,
            split,
            metric,
            tries[method],
            own,
            {kind: each for (which, kind), each in results.items() if which == method},
        )
        for method, own in choices.items()
    }
