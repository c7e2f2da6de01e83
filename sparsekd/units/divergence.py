"""Distance between the logits of two models, on arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from sparsekd.tasks.agreement import label_divergences

TEMPERATURE = 2.0


def distance(teacher: NDArray[Any], student: NDArray[Any], multilabel: bool = False) -> float:
    """Return the mean KL(teacher ‖ student) at T = 2 in nats; for a regression the mean square.

    With several labels, the mean over labels of the KL of two outcomes.

    Shapes: teacher, student (N, C), N here the number of examples.
    """
    if teacher.shape[1] == 1:
        return float(np.square(teacher - student).mean())
    softer = [logits.astype(np.float64) / TEMPERATURE for logits in (teacher, student)]
    if multilabel:
        return float(label_divergences(*softer).mean())
    t, s = (log_softmax(logits, axis=1) for logits in softer)
    return float((np.exp(t) * (t - s)).sum(axis=1).mean())
