"""Mask stability of a sweep: whether its seeds remove the same units."""

from functools import cache

import numpy as np
import pandas as pd
import scipy

from sparsekd.runs import store
from sparsekd.runs.records import Plan, State
from sparsekd.studies.sweeps import sweep
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Flags

LARGE = 1000
COLUMNS = ["method", "lam", "sparsity", "units", "overlap", "chance", "seeds"]


def stability(plan: Plan) -> pd.DataFrame:
    """Return the overlap of the masks of two seeds, at each method, λ and sparsity.

    `overlap` is the mean over pairs of seeds of their removed sets' Jaccard index, intersection
    over union; `chance` the mean of its expectation for sets of the same sizes that are drawn
    from all units at random. Cells with less than two masks are left out; both numbers are NaN
    where nothing is removed. Columns: see `COLUMNS`.
    """
    cells = sweep.cells(plan)
    scored = cells[cells["ranking"] == "scores"].drop_duplicates(["teacher", "method"])
    runs = store.get_many(scored["teacher"])
    done = {name for name, run in runs.items() if run.state is State.DONE}
    made = scored[scored["teacher"].isin(done)].groupby(["method", "lam", "sparsity"], sort=False)
    rows = []
    for place, group in made:
        masks = [Mask.load(store.folder(name) / "mask.npz") for name in group["teacher"]]
        if len(masks) < 2:
            continue
        for units in ("heads", "neurons"):
            removed = np.stack([~getattr(mask, units).ravel() for mask in masks])
            rows.append((*place, units, *overlap(removed), len(masks)))
    return pd.DataFrame(rows, columns=COLUMNS)


def overlap(removed: Flags) -> tuple[float, float]:
    """Return the mean Jaccard index over pairs of sets, and its expectation by chance.

    Shapes: removed (sets, units).
    """
    flags = removed.astype(np.float32)  # exact up to 16 million units
    shared, sizes = flags @ flags.T, removed.sum(axis=1)
    one, other = np.triu_indices(len(removed), 1)
    both = shared[one, other]
    either = sizes[one] + sizes[other] - both
    known = either > 0
    if not known.any():
        return float("nan"), float("nan")
    pairs = zip(sizes[one[known]], sizes[other[known]], strict=True)
    chance = [expected(removed.shape[1], *sorted((int(a), int(b)))) for a, b in pairs]
    return float(np.mean(both[known] / either[known])), float(np.mean(chance))


@cache
def expected(pool: int, one: int, other: int) -> float:
    """Return the expected Jaccard index of two sets of these sizes, drawn from a pool at random.

    The number of shared units is hypergeometric. For pools above `LARGE` it is close to its mean,
    and the index at that mean is taken.
    """
    if pool > LARGE:
        shared = one * other / pool
        return shared / (one + other - shared)
    counts = np.arange(max(0, one + other - pool), min(one, other) + 1)
    either = np.maximum(one + other - counts, 1)
    return float((scipy.stats.hypergeom.pmf(counts, pool, one, other) * counts / either).sum())
