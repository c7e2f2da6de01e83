"""The softness of a model's answers: their mean entropy, and the temperature that gives one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import entr

from sparsekd.errors import Incompatible
from sparsekd.tasks.cards import Kind
from sparsekd.tasks.predictions import probabilities

POWERS = (-10.0, 15.0)  # of e: temperatures from 5e-5 to 3e6, beyond which nothing changes


def mean_entropy(kind: Kind, logits: NDArray[Any], temperature: float = 1.0) -> float:
    """Return the mean entropy of softmax(logits / T), in nats: 0 of certain answers, at most ln C.

    With several labels, the mean over labels of the entropy of two outcomes.

    Shapes: logits (N, C), N here the number of texts.
    """
    shares = probabilities(kind, np.asarray(logits, dtype=np.float64) / temperature)
    if kind == "labels":
        return float((entr(shares) + entr(1 - shares)).mean())
    return float(entr(shares).sum(axis=-1).mean())


def matching_temperature(kind: Kind, logits: NDArray[Any], entropy: float) -> float:
    """Return the temperature at which the logits have a mean entropy, which grows with it.

    Shapes: logits (N, C), N here the number of texts.

    Raises:
        Incompatible: no temperature gives this entropy.
    """

    def excess(power: float) -> float:
        return mean_entropy(kind, logits, float(np.exp(power))) - entropy

    low, high = POWERS
    if not excess(low) <= 0 <= excess(high):
        raise Incompatible(
            f"At no temperature have the answers a mean entropy of {entropy:.3g}: it lies between "
            f"{excess(low) + entropy:.3g} and {excess(high) + entropy:.3g}.",
            "Choose another sparse teacher.",
        )
    return float(np.exp(brentq(excess, low, high, xtol=1e-10)))
