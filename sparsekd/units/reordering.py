"""How much of a mask depends on the order of the data alone.

Scores that are summed over batches change when the same examples are put into other batches.
"""

import numpy as np
from numpy.typing import NDArray

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.units import masking
from sparsekd.units.jacobians import Jacobian
from sparsekd.units.rescoring import rescore
from sparsekd.units.scores import Flags, Scores

SHUFFLES = 5
HALF = 0.5


def shared_removals(
    jacobian: Jacobian,
    student: NDArray[np.float32],
    params: ScoreParams,
    lam: float,
    normalise: str,
    shuffles: int = SHUFFLES,
) -> NDArray[np.float64]:
    """Return the share of the removed half that is removed again after each shuffle of the data.

    Args:
        student: Logits of the trial student on the Jacobian's examples.

    Shapes: student (N, C) -> (shuffles, 2): heads, neurons.
    """
    before = _removed_half(rescore(jacobian, student, params), lam, normalise)
    shares = []
    for seed in range(shuffles):
        order = np.random.default_rng(seed).permutation(len(student))
        scores = rescore(_reordered(jacobian, order), student[order], params)
        after = _removed_half(scores, lam, normalise)
        shares.append([_common(one, two) for one, two in zip(before, after, strict=True)])
    return np.array(shares)


def _reordered(jacobian: Jacobian, order: NDArray[np.int64]) -> Jacobian:
    return Jacobian(
        jacobian.values[order],
        jacobian.logits[order],
        jacobian.labels[order],
        jacobian.shape,
        jacobian.provenance,
    )


def _removed_half(scores: Scores, lam: float, normalise: str) -> tuple[Flags, Flags]:
    mask = masking.decide(*masking.knowledgeableness(scores, lam, normalise), HALF, round_to=1)
    return ~mask.heads, ~mask.neurons


def _common(one: Flags, other: Flags) -> float:
    return float((one & other).sum() / max(one.sum(), 1))
