"""Expressiveness, friendliness and knowledgeableness of the units as matrices and tables."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.units import masking
from sparsekd.units.scores import Matrix, Scores

BINS = 128

Named = dict[str, Matrix]


def matrices(scores: Scores, lam: float, normalise: str = "layer") -> tuple[Named, Named]:
    """Return E, F and K at this λ by name: of the heads, and of the neurons.

    Args:
        normalise: "layer" (each layer divided by its norm) or "none" (raw).

    Shapes: heads (L, H), neurons (L, F).
    Raises:
        BadInput: λ is outside [0, 1]; the normalisation is unknown.
    """
    of_both = {
        name: masking.knowledgeableness(scores, share, normalise)
        for name, share in {"E": 1.0, "F": 0.0, "K": lam}.items()
    }
    heads: Named = {name: found[0] for name, found in of_both.items()}
    neurons: Named = {name: found[1] for name, found in of_both.items()}
    return heads, neurons


def rank_correlation(expressiveness: Matrix, friendliness: Matrix) -> float:
    """Return Spearman's ρ of the two scores over all units; NaN where one is constant.

    Shapes: (L, U), (L, U).
    """
    both = pd.DataFrame({"e": expressiveness.ravel(), "f": friendliness.ravel()}).rank()
    return float(both["e"].corr(both["f"]))


def per_unit(matrices: Named, unit: str) -> pd.DataFrame:
    """Return one row per unit: layer and number (from 1), and its values by name.

    Shapes: each (L, U).
    """
    layer, index = np.indices(next(iter(matrices.values())).shape) + 1
    columns = {"layer": layer.ravel(), unit: index.ravel()}
    return pd.DataFrame(columns | {name: values.ravel() for name, values in matrices.items()})


def csv(matrices: Named, unit: str) -> bytes:
    """Return the table of `per_unit` as a CSV file."""
    return str(per_unit(matrices, unit).to_csv(index=False)).encode()


def per_layer(matrices: Named) -> pd.DataFrame:
    """Return one row per layer: the mean and the largest of each quantity.

    Shapes: each (L, U).
    """
    columns = {"layer": np.arange(1, len(next(iter(matrices.values()))) + 1)}
    for name, values in matrices.items():
        columns[f"{name}, mean"] = values.mean(axis=1)
        columns[f"{name}, largest"] = values.max(axis=1)
    return pd.DataFrame(columns)


def sorted_bins(values: Matrix, bins: int = BINS) -> NDArray[np.float32]:
    """Sort each layer's values, the highest first, and average them in at most `bins` bins.

    Shapes: values (L, F) -> (L, min(bins, F)).
    """
    ordered = -np.sort(-values, axis=1)
    width = values.shape[1]
    if width <= bins:
        return ordered.astype(np.float32)
    edges = np.linspace(0, width, bins + 1).astype(int)
    sums = np.add.reduceat(ordered.astype(np.float64), edges[:-1], axis=1)
    means: NDArray[np.float32] = (sums / np.diff(edges)).astype(np.float32)
    return means
