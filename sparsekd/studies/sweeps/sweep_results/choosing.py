"""Choosing λ and sparsity on the selection split, and what the chosen one reaches elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.runs import store
from sparsekd.runs.records import Run
from sparsekd.studies import luck, samples
from sparsekd.studies.estimates import Array, Sample
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
    on the split that chose nothing; `values` are by seed. `claimed` is the best mean among the
    tries on that split, which choosing there would have claimed, and `optimism` by how much that
    is better than `reported`: never below 0, and of a loss too in the direction of better.

    The reported mean is unbiased for the very students that were chosen. That they had luck with
    their draws is part of what was chosen, which new seeds will not repeat: `luck` of the reported
    mean is that. `sample` are the values without it, and `low` to `high` the 95% interval of
    their mean.
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
    luck: float
    sample: Sample
    values: dict[int, float] = field(default_factory=dict)

    @property
    def place(self) -> tuple[float, float, int]:
        """Return which try it is, of those of its method; λ is -1 where there is none."""
        return (self.lam if np.isfinite(self.lam) else -1.0, self.sparsity, self.attempt)

    def row(self) -> dict[str, Any]:
        """Return the numbers as plain values, the reported ones by seed in `values`."""
        names = (each.name for each in fields(self) if each.name != "sample")
        return {name: getattr(self, name) for name in names}

    def beside(self, control: "Choice") -> tuple[Sample, Sample]:
        """Return both sides of a comparison; a control that is the same try is as lucky."""
        return self.sample, self.sample if self.place == control.place else control.sample


@dataclass(frozen=True, eq=False)
class Tries:
    """All tries of a method: their places, and values on both splits where they are complete.

    `metrics` are the one that selects and the one that is reported on `split`; `runs` are the
    students' by id, as far as the store has them.

    Shapes: selected, reported, names (tries, seeds); NaN where a student is not finished.
    """

    method: str
    places: pd.DataFrame
    seeds: list[int]
    selected: Array
    reported: Array
    split: str
    metrics: tuple[str, str]
    names: NDArray[np.object_]
    runs: Mapping[str, Run]

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
            split,
            (selection_metric, metric),
            _names(own, places, seeds),
            store.get_many(own["run"]),
        )

    @property
    def ours(self) -> str:
        """Return the kind that is compared with every other: dense where nothing is sparse."""
        return "scores" if self.of_kind("scores").any() else "dense"

    def kinds(self) -> list[str]:
        """Return the kinds of teacher that the sweep has, finished or not; see `teacher_kinds`."""
        return [kind for kind in KINDS if self.of_kind(kind).any()]

    def controls(self) -> list[str]:
        """Return the kinds that ours is compared with."""
        return [kind for kind in self.kinds() if kind != self.ours]

    def of_kind(self, kind: str) -> Flags:
        """Return which tries are of a kind. Shapes: (tries,).

        The dense teacher's student, sparsity 0, is among what a sparse teacher's λ and sparsity
        are chosen from, and a kind of its own. Its further attempts, which studies of earlier
        versions have, are of no kind: they have other seeds, and so other luck.
        """
        ranking, lam, attempt, chosen_from = self._columns
        scored = ranking == "scores"
        if kind in ENDS:
            return np.asarray(scored & (lam == ENDS[kind]))
        if kind != "scores":
            return np.asarray((ranking == kind) & (attempt == 0))
        trial = (ranking == "dense") & (attempt == 0)
        return np.asarray((scored | trial) & chosen_from & scored.any())

    @cached_property
    def _columns(self) -> tuple[NDArray[Any], ...]:
        """Return ranking, λ, attempt and whether λ and sparsity are chosen from it, as arrays."""
        places = self.places
        return (
            places["ranking"].to_numpy(dtype=object),
            places["lam"].to_numpy(dtype=np.float64),
            places["attempt"].to_numpy(dtype=np.int64),
            places["chosen_from"].to_numpy(dtype=bool),
        )

    def choices(self) -> dict[str, Choice]:
        """Return the best try of each kind that has a complete one."""
        best = {kind: self.best(kind) for kind in self.kinds()}
        return {kind: choice for kind, choice in best.items() if choice is not None}

    def best(self, kind: str) -> Choice | None:
        """Return the best complete try of a kind on the selection split; None without any.

        Among equals that is the lowest sparsity, then the lowest λ.
        """
        rows = self._complete(kind)
        if not len(rows):
            return None
        select, report = (_sign(metric) for metric in self.metrics)
        selected, reported = self.selected[rows].mean(axis=1), self.reported[rows].mean(axis=1)
        first = self._first(rows)
        values, place = self.reported[rows[first]], self.places.iloc[rows[first]]
        lucky = report * luck.luck_of_choosing(
            select * self.selected[rows], report * self.reported[rows]
        )
        sample = self._sample(rows[first], self.split, self.metrics[1]).plus(-lucky)
        low, high = sample.estimate().interval(bounds=metrics.bounds(self.metrics[1]))
        claimed = report * float((report * reported).max())
        return Choice(
            method=self.method,
            ranking=kind,
            lam=float(place["lam"]),
            sparsity=float(place["sparsity"]),
            attempt=int(place["attempt"]),
            tries=len(rows),
            planned=int(self.of_kind(kind).sum()),
            selected=float(selected[first]),
            reported=float(reported[first]),
            low=low,
            high=high,
            claimed=claimed,
            optimism=report * (claimed - float(reported[first])),
            luck=lucky,
            sample=sample,
            values=dict(zip(self.seeds, values.tolist(), strict=True)),
        )

    def alike(self, kind: str) -> list[tuple[float, float]]:
        """Return λ and sparsity of the tries that the selection split cannot tell from the best.

        Their mean is within one standard error of it, over seeds and examples; λ is 0 at sparsity
        0, where it plays no part.

        Source: Breiman et al., Classification and Regression Trees, 1984 (one-standard-error rule).
        """
        rows = self._complete(kind)
        if not len(rows):
            return []
        best = rows[self._first(rows)]
        chosen, found = self._sample(best, SELECTION, self.metrics[0]), []
        for row in rows:
            gap = self._sample(row, SELECTION, self.metrics[0]).minus(chosen).estimate()
            if row == best or abs(gap.mean) <= gap.error:
                place = self.places.iloc[row]
                sparsity = float(place["sparsity"])
                found.append((float(place["lam"]) if sparsity else 0.0, sparsity))
        return found

    def _complete(self, kind: str) -> NDArray[np.intp]:
        """Return the tries of a kind that are complete over all seeds."""
        complete = np.isfinite(self.selected).all(axis=1) & np.isfinite(self.reported).all(axis=1)
        return np.flatnonzero(self.of_kind(kind) & complete)

    def _first(self, rows: NDArray[np.intp]) -> int:
        """Return which of some tries is the best; among equals, the first of them."""
        means = _sign(self.metrics[0]) * self.selected[rows].mean(axis=1)
        return int(np.argmax(means.round(12)))

    def _sample(self, row: int, split: str, metric: str) -> Sample:
        """Return the values of a try by seed, on the selection split or on the reported one."""
        values = self.selected[row] if split == SELECTION else self.reported[row]
        names = zip(self.seeds, self.names[row], strict=True)
        runs = {seed: self.runs.get(name) for seed, name in names}
        return samples.of_runs(dict(zip(self.seeds, values, strict=True)), runs, split, metric)


def _names(own: pd.DataFrame, places: pd.DataFrame, seeds: Sequence[int]) -> NDArray[np.object_]:
    """Return the ids of the students' runs. Shapes: (tries, seeds)."""
    numbered = own.drop_duplicates("run").merge(places.reset_index(names="try"), on=PLACE)
    wide = numbered.pivot(index="try", columns="seed", values="run")
    return wide.reindex(index=places.index, columns=list(seeds)).to_numpy(dtype=object)


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
