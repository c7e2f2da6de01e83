"""Overlap of masks: units kept by both, by one, by none; agreement and stability of several."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import BadInput, Incompatible
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Flags

KEPT_BY = ("neither", "only_first", "only_second", "both")
UNITS = ("heads", "neurons")

Codes = NDArray[np.uint8]
Shares = NDArray[np.float64]


def codes(first: Flags, second: Flags) -> Codes:
    """Return which masks keep each unit, as an index into `KEPT_BY`.

    Shapes: first, second (L, U) -> (L, U).
    Raises:
        Incompatible: the masks are of differently shaped teachers.
    """
    _same_shape(first, second)
    return (first + 2 * second.astype(np.uint8)).astype(np.uint8)


def compare(first: Mask, second: Mask) -> pd.DataFrame:
    """Count `KEPT_BY` and compute Jaccard indices for heads and neurons, per layer and overall.

    `jaccard` is of the units kept, `jaccard_removed` of those removed: kept by both over kept by
    either. `jaccard_by_chance` is the expectation for independent random masks of these sizes. The
    index of two empty sets is 1.

    Returns:
        units, layer (0 is the lowest; -1 for all), the four counts, the three indices.

    Raises:
        Incompatible: the masks are of differently shaped teachers.
    """
    rows = []
    for units in UNITS:
        found = codes(getattr(first, units), getattr(second, units))
        counts = np.stack([np.bincount(row, minlength=4) for row in found])
        for layer, each in [*enumerate(counts), (-1, counts.sum(axis=0))]:
            rows.append({"units": units, "layer": layer} | _row(each))
    return pd.DataFrame(rows)


def total(frame: pd.DataFrame, units: str) -> pd.Series:
    """Return the row of `compare` over all layers."""
    return frame[(frame["units"] == units) & (frame["layer"] == -1)].iloc[0]


def stability(masks: Sequence[Mask]) -> tuple[Shares, Shares]:
    """Return the share of the masks that keep each head and each neuron.

    Shapes: -> heads (L, H), neurons (L, F).
    Raises:
        BadInput: fewer than two masks. Incompatible: masks of differently shaped teachers.
    """
    _check_several(masks)
    heads, neurons = (np.mean([getattr(mask, units) for mask in masks], axis=0) for units in UNITS)
    return heads, neurons


def agreement(masks: Sequence[Mask]) -> pd.DataFrame:
    """Count the heads and neurons that all masks keep, none keeps, or only some keep.

    Returns:
        units, always, never, disputed, jaccard and jaccard_removed: means over the pairs of
        masks; lowest: the smallest Jaccard of a pair.

    Raises:
        BadInput: fewer than two masks. Incompatible: masks of differently shaped teachers.
    """
    shares = dict(zip(UNITS, stability(masks), strict=True))
    pairs = [compare(one, other) for one, other in combinations(masks, 2)]
    rows = []
    for units, share in shares.items():
        totals = pd.DataFrame([total(pair, units) for pair in pairs])
        rows.append(
            {
                "units": units,
                "always": int((share == 1).sum()),
                "never": int((share == 0).sum()),
                "disputed": int(((share > 0) & (share < 1)).sum()),
                "jaccard": float(totals["jaccard"].mean()),
                "jaccard_removed": float(totals["jaccard_removed"].mean()),
                "lowest": float(totals["jaccard"].min()),
            }
        )
    return pd.DataFrame(rows)


def _row(counts: NDArray[np.int64]) -> dict[str, float]:
    neither, only_first, only_second, both = (int(count) for count in counts)
    either, units = both + only_first + only_second, int(counts.sum())
    expected = (both + only_first) * (both + only_second) / units
    return dict(zip(KEPT_BY, (neither, only_first, only_second, both), strict=True)) | {
        "jaccard": _index(both, either),
        "jaccard_removed": _index(neither, neither + only_first + only_second),
        "jaccard_by_chance": _index(expected, either + both - expected),
    }


def _index(shared: float, either: float) -> float:
    return shared / either if either else 1.0


def _check_several(masks: Sequence[Mask]) -> None:
    if len(masks) < 2:
        raise BadInput(f"{len(masks)} mask cannot be compared.", "Name at least two masks.")
    for mask in masks[1:]:
        for units in UNITS:
            _same_shape(getattr(masks[0], units), getattr(mask, units))


def _same_shape(first: Flags, second: Flags) -> None:
    if first.shape != second.shape:
        raise Incompatible(
            f"A mask of shape {first.shape} does not go with one of shape {second.shape}.",
            "Compare masks of teachers with equal layers, heads and neurons.",
        )
