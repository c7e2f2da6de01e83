"""Choosing λ and sparsity on the selection split, and what that says on another split."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sparsekd.studies import stats
from sparsekd.studies.stats import Array
from sparsekd.studies.sweep_results.frames import measured
from sparsekd.units.scores import Flags

SELECTION = "selection"
PLACE = ["ranking", "lam", "sparsity", "attempt"]
ENDS = {"λ = 0": 0.0, "λ = 1": 1.0}
WORDS = {
    "scores": "Sparse teacher",
    "dense": "Dense teacher",
    "random": "Randomly masked teacher",
    "magnitude": "Teacher masked by weight size",
    "none": "No teacher",
    "λ = 0": "Sparse teacher by friendliness alone (λ = 0)",
    "λ = 1": "Sparse teacher by expressiveness alone (λ = 1)",
}
"""What is chosen among, in the order in which it is told."""
VERDICTS = [
    *("control", "what", "difference", "low", "high", "p", "p_corrected", "seeds", "verdict"),
    "needed_seeds",
]


@dataclass(frozen=True)
class Choice:
    """The best of several tries by their mean on the selection split; the others lose by it.

    `tries` were complete over all seeds and competed, of `planned` ones. `reported` is the mean
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


def choices(
    students: pd.DataFrame,
    method: str,
    split: str,
    metric: str,
    selection_metric: str | None = None,
) -> list[Choice]:
    """The best of each kind of teacher that the study has, chosen on the selection split.

    Kinds: see `WORDS`. The student of the dense teacher, sparsity 0, is among what a sparse
    teacher's λ and sparsity are chosen from; with its further tries it is a kind of its own. Only
    tries that are complete over all seeds compete; among equals the lowest sparsity, then the
    lowest λ.
    """
    tries = Tries.of(students, method, split, metric, selection_metric or metric)
    found = [tries.best(kind) for kind in tries.kinds()]
    return [choice for choice in found if choice is not None]


@dataclass(frozen=True, eq=False)
class Tries:
    """All tries of a method: their places, and values on both splits where they are complete.

    Shapes: selected, reported (tries, seeds); NaN where a student is not finished.
    """

    method: str
    places: pd.DataFrame
    seeds: list[int]
    selected: Array
    reported: Array
    signs: tuple[int, int]
    """-1 where lower is better: of the metric that selects, and of the one reported."""

    @classmethod
    def of(
        cls, students: pd.DataFrame, method: str, split: str, metric: str, selection_metric: str
    ) -> "Tries":
        own = students[(students["method"] == method) | (students["ranking"] == "none")]
        places = own.drop_duplicates(PLACE).sort_values(["sparsity", "lam", "attempt"])
        places = places[[*PLACE, "chosen_from"]].reset_index(drop=True)
        seeds = sorted(int(seed) for seed in own["seed"].unique())
        return cls(
            method,
            places,
            seeds,
            _by_seed(own, places, seeds, SELECTION, selection_metric),
            _by_seed(own, places, seeds, split, metric),
            (_sign(selection_metric), _sign(metric)),
        )

    def kinds(self) -> list[str]:
        """The kinds of teacher that the study has, finished or not."""
        return [kind for kind in WORDS if self.of_kind(kind).any()]

    def of_kind(self, kind: str) -> Flags:
        """Which tries are of a kind. Shapes: (tries,)."""
        ranking, scored = self.places["ranking"], self.places["ranking"] == "scores"
        if kind in ENDS:
            return np.asarray(scored & (self.places["lam"] == ENDS[kind]))
        if kind != "scores":
            return np.asarray(ranking == kind)
        trial = (ranking == "dense") & (self.places["attempt"] == 0)
        any_scored = bool(scored.any())
        return np.asarray((scored | trial) & self.places["chosen_from"].astype(bool) & any_scored)

    def best(self, kind: str) -> Choice | None:
        """The best complete try of a kind on the selection split; None without any."""
        complete = np.isfinite(self.selected).all(axis=1) & np.isfinite(self.reported).all(axis=1)
        mine = self.of_kind(kind)
        rows = np.flatnonzero(mine & complete)
        if not len(rows):
            return None
        select, report = self.signs
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


def _by_seed(
    own: pd.DataFrame, places: pd.DataFrame, seeds: Sequence[int], split: str, metric: str
) -> Array:
    """Values of one split and metric. Shapes: (tries, seeds)."""
    numbered = measured(own, split, metric).merge(places.reset_index(names="try"), on=PLACE)
    wide = numbered.pivot_table(index="try", columns="seed", values="value", dropna=False)
    values: Array = wide.reindex(index=places.index, columns=seeds).to_numpy(dtype=np.float64)
    return values


def _sign(metric: str) -> int:
    return -1 if metric == "loss" else 1


# --- verdicts --------------------------------------------------------------------------------


def verdicts(
    students: pd.DataFrame,
    method: str,
    split: str,
    metric: str,
    selection_metric: str | None = None,
) -> pd.DataFrame:
    """The chosen student of a sparse teacher against each control's choice, paired over seeds.

    Each control is the best of its own tries. p values are corrected by Holm for all controls that
    the study has, finished or not; low and high are the plain 95 % interval of the difference.
    Where a control had fewer tries, "better" says so: part of the difference may be the luck of
    many tries. `needed_seeds` is NaN above `statistics.MOST_SEEDS`. Columns: see `VERDICTS`.
    """
    return compared(Tries.of(students, method, split, metric, selection_metric or metric))


def compared(tries: Tries) -> pd.DataFrame:
    """The best of the sparse teachers' tries against the best of each control's; see `verdicts`."""
    controls = [kind for kind in tries.kinds() if kind != "scores"]
    ours = tries.best("scores")
    theirs = {kind: tries.best(kind) for kind in controls}
    if ours is None:
        return pd.DataFrame(columns=VERDICTS)
    gaps = {
        kind: np.array([ours.values[seed] - value for seed, value in control.values.items()])
        for kind, control in theirs.items()
        if control is not None
    }
    p = {kind: float(stats.paired_test(each)) for kind, each in gaps.items()}
    corrected = stats.holm([p.get(kind, np.nan) for kind in controls])
    rows = []
    for kind, fair in zip(controls, corrected, strict=True):
        control = theirs[kind]
        if control is not None:
            told = _told(gaps[kind], p[kind], float(fair), len(controls), tries.signs[1] < 0)
            if told["verdict"] == "better" and control.tries < ours.tries:
                told["verdict"] = f"better: with {ours.tries} tries against {control.tries}"
            rows.append({"control": kind, "what": WORDS[kind]} | told)
    return pd.DataFrame(rows, columns=VERDICTS)


def _told(
    gaps: Array, p: float, corrected: float, comparisons: int, lower_is_better: bool
) -> dict[str, Any]:
    low, high = stats.mean_interval(gaps)
    mean, needed = float(gaps.mean()), stats.needed_seeds(gaps, comparisons)
    return {
        "difference": mean,
        "low": low,
        "high": high,
        "p": p,
        "p_corrected": corrected,
        "seeds": len(gaps),
        "verdict": stats.verdict(mean, len(gaps), p, corrected, comparisons, lower_is_better),
        "needed_seeds": needed if np.isfinite(needed) else np.nan,
    }
