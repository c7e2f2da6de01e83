"""Sentences about the scores of a teacher and about one of its units."""

import numpy as np

from sparsekd.units.masking import Mask
from sparsekd.units.score_tables import matrices, rank_correlation
from sparsekd.units.scores import Matrix, Scores

AGREE, PARTLY = 0.7, 0.3
"""Rank correlations above which two scores are said to agree, and to agree in part."""


def summary(scores: Scores, lam: float, normalise: str = "layer") -> str:
    """Return which heads have the highest and lowest K, and how far E and F agree (Markdown)."""
    heads, _ = matrices(scores, lam, normalise)
    correlation = rank_correlation(heads["E"], heads["F"])
    layers, per_layer, _ = scores.shape
    highest, lowest = extremes(heads["K"])
    return (
        f"At λ = {lam:g}, **{highest}** has the highest knowledgeableness and **{lowest}** the "
        f"lowest of {layers * per_layer:,} heads. For the heads, expressiveness and friendliness "
        f"**{agreement(correlation)}** (rank correlation {correlation:.2f})."
    )


def extremes(values: Matrix) -> tuple[str, str]:
    """Return the names of the heads of highest and of lowest value.

    Shapes: (L, H).
    """
    return _name(values, int(values.argmax())), _name(values, int(values.argmin()))


def agreement(correlation: float) -> str:
    """Return a rank correlation as a verb."""
    if np.isnan(correlation):
        return "cannot be compared"
    if correlation > AGREE:
        return "mostly agree"
    return "partly agree" if correlation > PARTLY else "disagree"


def removal(
    unit: str, layer: int, index: int, place: int, sparsity: float, mask: Mask | None
) -> str:
    """Return whether a mask removes a unit, and its place in the order of removal (Markdown).

    Args:
        sparsity: Share of this kind of units that the mask removes.
        mask: None where no mask can be made at this sparsity.
    """
    order = f"number {place:,} in the order of removal"
    if mask is None:
        return f"It is {order}."
    flags = mask.heads if unit == "head" else mask.neurons
    verb = "is kept" if flags[layer, index] else "is **removed**"
    return (
        f"At sparsity {sparsity:.0%} it {verb}: {order}. In mask.npz: `{unit}s[{layer}, {index}]`."
    )


def _name(values: Matrix, flat: int) -> str:
    layer, head = divmod(flat, values.shape[1])
    return f"layer {layer + 1}, head {head + 1}"
