"""The scores of one head or neuron, and its rank among all units of its kind."""

from dataclasses import dataclass

from sparsekd.units import masking
from sparsekd.units.removal import place
from sparsekd.units.scores import Matrix, Scores


@dataclass(frozen=True)
class RankedUnit:
    """One unit's scores and its place in the order of removal.

    `place` 1 is removed first of the `pool`: all heads, or all neurons, of the teacher.
    """

    expressiveness: float
    friendliness: float
    normalised_expressiveness: float
    normalised_friendliness: float
    knowledgeableness: float
    place: int
    pool: int

    @property
    def rank(self) -> int:
        """Return the rank by knowledgeableness: 1 is the highest."""
        return self.pool - self.place + 1


def rank_unit(
    scores: Scores, lam: float, normalise: str, unit: str, layer: int, index: int
) -> RankedUnit:
    """Return one unit's scores and its place in the order of removal, ties by (layer, index).

    Args:
        unit: "head" or "neuron".
        layer, index: Counted from 0.
    """
    heads, neurons = masking.knowledgeableness(scores, lam, normalise)
    values = heads if unit == "head" else neurons
    e, f = _raw(scores, unit)
    return RankedUnit(
        expressiveness=float(e[layer, index]),
        friendliness=float(f[layer, index]),
        normalised_expressiveness=float(masking.normalised(e)[layer, index]),
        normalised_friendliness=float(masking.normalised(f)[layer, index]),
        knowledgeableness=float(values[layer, index]),
        place=place(values, layer * values.shape[1] + index),
        pool=values.size,
    )


def _raw(scores: Scores, unit: str) -> tuple[Matrix, Matrix]:
    if unit == "head":
        return scores.head_expressiveness, scores.head_friendliness
    return scores.neuron_expressiveness, scores.neuron_friendliness
