"""A mask together with the values that rank its units, as the Mask page draws it."""

from dataclasses import dataclass

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.units import masking
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Matrix, Scores


@dataclass(frozen=True, eq=False)
class RankedMask:
    """A mask, the parameters it follows, and the values that rank its units.

    Shapes: heads (L, H), neurons (L, F).
    """

    params: MaskParams
    heads: Matrix
    neurons: Matrix
    mask: Mask


def rank_and_build(scores: Scores, params: MaskParams, seed: int = 0) -> RankedMask:
    """Return the mask at these parameters with its ranking; `seed` draws a random one.

    Raises:
        BadInput: the sparsity empties every layer.
    """
    heads, neurons = masking.ranks(scores, params, seed)
    return RankedMask(params, heads, neurons, masking.build(scores, params, seed))
