"""Choosing λ and sparsity on the selection split, and what the chosen one reaches elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sparsekd.studies import stats
from sparsekd.studies.stats import Array
from sparsekd.studies.sweeps.sweep_results.frames import measured
from sparsekd.studies.teacher_kinds import ENDS, KINDS, UNMASKED
from sparsekd.tasks import metrics
from sparsekd.units.scores import Flags

SELECTION = "selection"
PLACE = ["ranking", "lam", "sparsity", "attempt"]


@dataclass(frozen=True)
class Choice:
    """The best of several tries by their mean on the selection split.

    `tries` of the `planned` ones are complete over all seeds, and competed. `reported` is the mean
    on the split that chose nothing, with its 95 % interval over seeds; `values` are by seed.
    `claimed` is the best mean among the tries on that split, which choosing there would have
    claimed, and `optimism` by how much that is better than `reported`: never below 0, and of a
    loss too in the direction of better.

    The reported mean is unbiased for the very students that were chosen. That they had luck with
    their draws is part of what was chosen, which new seeds will not repeat: only a control with
    as many tries has had as much of it.
    """

    method: str
    ranking: str
    lam: float
    sparsity: float
    attempt: int
    tries: int
    planned: int
    selected: float
    reported: float
    low: float
    high: float
    claimed: float
    optimism: float
    values: dict[int, float] = field(default_factory=dict)

    def by_seed(self) -> pd.Series:
        """Return the reported values by seed."""
        return pd.Series(self.values, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Tries:
    """All tries of a method: their places, and values on both splits where they are complete.

    `metrics` are the one that selects and the one that is reported.

    Shapes: selected, reported (tries, seeds); NaN where a student is not finished.
    """

    method: str
    places: pd.DataFrame
    seeds: list[int]
    selected: Array
    reported: Array
    metrics: tuple[str, str]

    @classmethod
    def of(
        cls, students: pd.DataFrame, method: str, split: str, metric: str, selection_metric: str
    ) -> "Tries":
        """Return the tries of a method among `students`, the frame of `frames.students`."""
        own = students[(students["method"] == method) | students["ranking"].isin(UNMASKED)]
        places = own.drop_duplicates(PLACE).sort_values(["sparsity", "lam", "attempt"])
        places = places[[*PLACE, "chosen_from"]].reset_index(drop=True)
        seeds = sorted(int(seed) for seed in own["seed"].unique())
        return cls(
            method,
            places,
            seeds,
            _values(own, places, seeds, SELECTION, selection_metric),
            _values(own, places, seeds, split, metric),
            (selection_metric, metric),
        )

    def kinds(self) -> list[str]:
        """Return the kinds of teacher that the sweep has, finished or not; see `teacher_kinds`."""
        return [kind for kind in KINDS if self.of_kind(kind).any()]

    def controls(self) -> list[str]:
        """Return the kinds that the sparse teachers are compared with."""
        return [kind for kind in self.kinds() if kind != "scores"]

    def of_kind(self, kind: str) -> Flags:
        """Return which tries are of a kind. Shapes: (tries,).

        The dense teacher's student, sparsity 0, is among what a sparse teacher's λ and sparsity
        are chosen from; with its further tries it is a kind of its own.
        """
        ranking, scored = self.places["ranking"], self.places["ranking"] == "scores"
        if kind in ENDS:
            return np.asarray(scored & (self.places["lam"] == ENDS[kind]))
        if kind != "scores":
            return np.asarray(ranking == kind)
        trial = (ranking == "dense") & (self.places["attempt"] == 0)
        any_scored = bool(scored.any())
        return np.asarray((scored | trial) & self.places["chosen_from"].astype(bool) & any_scored)

    def choices(self) -> dict[str, Choice]:
        """Return the best try of each kind that has a complete one."""
        best = {kind: self.best(kind) for kind in self.kinds()}
        return {kind: choice for kind, choice in best.items() if choice is not None}

    def best(self, kind: str) -> Choice | None:
        """Return the best complete try of a kind on the selection split; None without any.

        Among equals that is the lowest sparsity, then the lowest λ.
        """
        complete = np.isfinite(self.selected).all(axis=1) & np.isfinite(self.reported).all(axis=1)
        mine = self.of_kind(kind)
        rows = np.flatnonzero(mine & complete)
        if not len(rows):
            return None
        select, report = (_sign(metric) for metric in self.metrics)
        selected, reported = self.selected[rows].mean(axis=1), self.reported[rows].mean(axis=1)
        first = int(np.argmax((select * selected).round(12)))  # ties: as the places are sorted
        values, place = self.reported[rows[first]], self.places.iloc[rows[first]]
        low, high = stats.mean_interval(values)
        claimed = report * float((report * reported).max())
        return Choice(
            method=self.method,
            ranking=kind,
            lam=float(place["lam"]),
            sparsity=float(place["sparsity"]),
            attempt=int(place["attempt"]),
            tries=len(rows),
            planned=int(mine.sum()),
            selected=float(selected[first]),
            reported=float(reported[first]),
            low=low,
            high=high,
            claimed=claimed,
            optimism=report * (claimed - float(reported[first])),
            values=dict(zip(self.seeds, values.tolist(), strict=True)),
        )


def _values(
    own: pd.DataFrame, places: pd.DataFrame, seeds: Sequence[int], split: str, metric: str
) -> Array:
    """Return the values of one split and metric. Shapes: (tries, seeds)."""
    numbered = measured(own, split, metric).merge(places.reset_index(names="try"), on=PLACE)
    wide = numbered.pivot_table(index="try", columns="seed", values="value", dropna=False)
    values: Array = wide.reindex(index=places.index, columns=list(seeds)).to_numpy(dtype=np.float64)
    return values


def _sign(metric: str) -> int:
    return -1 if metrics.lower_is_better(metric) else 1
