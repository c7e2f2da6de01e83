"""Made-up students of a sweep, whose numbers a function of their cell gives."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sparsekd.studies.sweeps import sweep_results
from sparsekd.studies.sweeps.sweep_results import Conclusion
from sparsekd.studies.sweeps.sweep_results.choosing import Tries

SEEDS = 5
GRID = list(itertools.product((0.0, 0.5, 1.0), (0.2, 0.4, 0.6)))
CELLS = [
    *(("scores", lam, sparsity, 0) for lam, sparsity in GRID),
    ("dense", math.nan, 0.0, 0),
    *(("random", math.nan, sparsity, 0) for sparsity in (0.2, 0.4, 0.6)),
    ("none", math.nan, math.nan, 0),
]
Worth = Callable[[str, float, float, int, int], tuple[float, float]]


def frame(
    worth: Worth, metric: str = "accuracy", seeds: int = SEEDS, cells: list[Any] = CELLS
) -> pd.DataFrame:
    """Students whose numbers on selection and validation `worth` gives by their place."""
    rows = [
        {"run": f"{place}-{seed}", "method": "fine_tuning" if place[0] == "none" else "vanilla"}
        | dict(zip(("ranking", "lam", "sparsity", "attempt"), place, strict=True))
        | {"seed": seed, "state": "done", "split": split, "metric": metric, "value": value}
        | {"chosen_from": place[0] == "scores" or place == ("dense", place[1], 0.0, 0)}
        for place in cells
        for seed in range(seeds)
        for split, value in zip(("selection", "validation"), worth(*place, seed), strict=True)
    ]
    return pd.DataFrame(rows)


def ordinary(ranking: str, lam: float, sparsity: float, attempt: int, seed: int) -> Any:
    """λ 0.5 at 0.4 is best on selection; λ 1 at 0.6 would be on validation."""
    noise = 0.001 * ((7 * seed) % 5)
    if ranking != "scores":
        low = {"dense": 0.80, "random": 0.78, "none": 0.75}[ranking]
        return low + noise, low - 0.01 + noise
    selection = 0.85 + 0.03 * ((lam, sparsity) == (0.5, 0.4))
    validation = 0.85 + 0.05 * ((lam, sparsity) == (1.0, 0.6))
    return selection + 0.002 * seed, validation + 0.002 * seed


def concluded(students: pd.DataFrame, metric: str = "accuracy", **more: Any) -> Conclusion:
    """The conclusion for their one method, reported on validation."""
    return sweep_results.conclusions(students, "validation", metric, **more)["vanilla"]


def simulated(studies: int, luck: float, spread: float = 1.0, seed: int = 0) -> Iterator[Tries]:
    """Studies in which no teacher matters, of students of unit spread.

    A student's own luck is seen on both splits, the rest of its spread on one alone. All students
    of a seed share its effect, whose spread is given.
    """
    drawn, layout = np.random.default_rng(seed), frame(lambda *_: (0.0, 0.0))
    tries = Tries.of(layout, "vanilla", "validation", "accuracy", "accuracy")
    shape = tries.selected.shape
    for _ in range(studies):
        own = luck * drawn.normal(size=shape) + spread * drawn.normal(size=shape[1])
        both = own + math.sqrt(1 - luck**2) * drawn.normal(size=(2, *shape))
        yield replace(tries, selected=both[0], reported=both[1])
