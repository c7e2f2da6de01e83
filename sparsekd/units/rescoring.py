"""Scores for any trial student from a stored Jacobian, in milliseconds.

A loss reaches the gates only through the teacher's logits z: ∂L/∂gate = Σ_c ∂L/∂z_c · ∂z_c/∂gate.
The last factor, the Jacobian, is the same for every student, temperature, loss and batch size.
Both losses' gradients with respect to the logits sum to zero over the classes, so the C − 1
differences z_c − z_{C−1} suffice: Σ_c g_c ∂z_c = Σ_{c<C−1} g_c ∂(z_c − z_{C−1}).
For regression the one logit is the one direction. With several labels the gradients of the C
logits do not sum to zero, and each logit is a direction.

Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (losses: paper and reference code).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks.labels import is_labelled
from sparsekd.units.jacobians import Jacobian, directions
from sparsekd.units.scores import Scores

Array = NDArray[Any]
ROWS = 64  # examples read at a time: a few MB, which stay in the CPU cache


def logit_gradients(
    teacher: Array, student: Array, labels: Array, params: ScoreParams
) -> NDArray[np.float64]:
    """Return the gradients of the two losses with respect to the teacher's logits, per example.

    Row 0, expressiveness: the cross-entropy with the gold labels, or (z − y)². Row 1,
    friendliness: ½ T² · soft cross-entropy or KL from the student's softened distribution, or
    ½ (z − s)². The term CE(s, y) of the distillation loss does not depend on the teacher.

    With several labels both are means over labels, of two outcomes each.

    Soft cross-entropy contains the teacher's own entropy, so its gradient is not zero where
    student and teacher agree; that of KL is. An example without a gold label adds nothing to the
    expressiveness: its row 0 is zero.

    Shapes: teacher, student (N, C), labels (N,), with several labels (N, C) -> (2, N, C).
    Raises:
        Incompatible: teacher and student have different numbers of classes.
        BadInput: NaN or infinite logits; labels that are not classes.
    """
    check_logits(teacher, student, labels)
    t, s = teacher.astype(np.float64), student.astype(np.float64)
    known = is_labelled(labels)
    if t.shape[1] == 1:
        return np.stack([np.where(known[:, None], 2 * (t - labels[:, None]), 0), t - s])
    if labels.ndim == 2:
        gold = np.where(known[:, None], expit(t) - labels, 0)
        return np.asarray(np.stack([gold, _label_friendliness(t, s, params)]) / t.shape[1])
    gold = np.where(known[:, None], _cross_entropy(t, np.where(known, labels, 0)), 0)
    return np.stack([gold, _friendliness(t, s, params)])


def weights(gradients: Array, multilabel: bool = False) -> Array:
    """Return the weights of the Jacobian's directions for gradients with respect to the logits.

    Shapes: (2, N, C) -> (2, N, K), K = `directions`.
    """
    return gradients[..., : directions(gradients.shape[-1], multilabel)]


def rescore(jacobian: Jacobian, student: Array, params: ScoreParams) -> Scores:
    """Return expressiveness and friendliness of every unit for a trial student's logits.

    ``per_batch`` is the sum over scoring batches, in the data's own order, of |gradient of the
    batch's mean loss|: it grows with the number of batches and depends on their size.
    ``per_example`` is the mean over examples of |gradient of the example's loss|.

    Shapes: student (N, C).
    Raises:
        Incompatible, BadInput: as `logit_gradients`.
    """
    gradients = logit_gradients(jacobian.logits, student, jacobian.labels, params)
    of_directions = weights(gradients, jacobian.multilabel).astype(np.float32)
    if params.aggregate == "per_example":
        units = _per_example(jacobian.values, of_directions)
    else:
        units = _per_batch(jacobian.values, of_directions, params.batch_size)
    made = provenance(params, len(student))
    return Scores.from_units(units, jacobian.shape, jacobian.provenance | made)


def provenance(params: ScoreParams, examples: int) -> dict[str, Any]:
    """Return how scores were computed; callers add the teacher, student and data."""
    return params.values() | {"examples": examples, "order": "data"}


def check_logits(teacher: Array, student: Array, labels: Array) -> None:
    """Refuse logits and labels of different data, or with values that are not numbers.

    Raises:
        Incompatible: different numbers of classes or examples. BadInput: NaN, infinity, bad labels.
    """
    if teacher.ndim != 2 or student.ndim != 2 or teacher.shape[1] != student.shape[1]:
        raise Incompatible(
            f"The teacher's logits are of shape {teacher.shape}, the trial student's of shape "
            f"{student.shape}: they disagree on the number of classes.",
            "Choose a trial student of the same task.",
        )
    if not len(teacher) == len(student) == len(labels):
        raise Incompatible(
            f"{len(teacher)} examples of the teacher, {len(student)} of the student, "
            f"{len(labels)} labels.",
            "Compute all of them on the same split.",
        )
    for whose, logits in (("teacher", teacher), ("trial student", student)):
        if not np.isfinite(logits).all():
            raise BadInput(
                f"The {whose} gives logits that are NaN or infinite.",
                "It has diverged: train it again with a lower learning rate.",
            )
    _check_labels(labels[is_labelled(labels)], teacher.shape[1])


def _check_labels(labels: Array, classes: int) -> None:
    if labels.ndim == 2:
        if labels.shape[1] != classes:
            raise Incompatible(
                f"{labels.shape[1]} labels do not fit a teacher of {classes} outputs.",
                "Choose a teacher that was trained on this task.",
            )
        fine = (labels == 0) | (labels == 1)
    elif classes == 1:
        fine = np.isfinite(labels)
    else:
        fine = (labels >= 0) & (labels < classes) & (labels == np.floor(labels))
    if not fine.all():
        raise BadInput(
            f"The label {labels[~fine][0]} does not fit a teacher of {classes} classes.",
            "Choose a teacher that was trained on this task.",
        )


def _cross_entropy(teacher: Array, labels: Array) -> Array:
    gradient: Array = np.exp(log_softmax(teacher, axis=1))
    gradient[np.arange(len(labels)), labels.astype(np.int64)] -= 1
    return gradient


def _friendliness(teacher: Array, student: Array, params: ScoreParams) -> Array:
    """Return ½ T² · ∂/∂t Σ_c p_c cost_c, p = softmax(t/T): ½ T · p_c (cost_c − Σ_k p_k cost_k)."""
    temperature = params.temperature
    own = log_softmax(teacher / temperature, axis=1)
    cost = -log_softmax(student / temperature, axis=1)
    if params.friendliness == "kl":
        cost = cost + own
    p = np.exp(own)
    gradient: Array = temperature / 2 * p * (cost - (p * cost).sum(axis=1, keepdims=True))
    return gradient


def _label_friendliness(teacher: Array, student: Array, params: ScoreParams) -> Array:
    """Return C times the gradient for several labels: ½ T · p (1 − p) (cost of 1 − cost of 0).

    p = σ(t/T); the costs −log σ(s/T) and −log σ(−s/T) differ by −s/T, those of KL by (t − s)/T.
    """
    p = expit(teacher / params.temperature)
    apart = teacher - student if params.friendliness == "kl" else -student
    gradient: Array = p * (1 - p) * apart / 2
    return gradient


def _per_batch(values: Array, of_directions: Array, batch_size: int) -> Array:
    """Shapes: values (N, K, U), of_directions (2, N, K) -> (2, U)."""
    examples, _, units = values.shape
    total = np.zeros((2, units))
    for start in range(0, examples, batch_size):
        stop = min(start + batch_size, examples)
        batch = np.zeros((2, units), dtype=np.float32)
        for first in range(start, stop, ROWS):
            rows = slice(first, min(first + ROWS, stop))
            block = np.asarray(values[rows], dtype=np.float32).reshape(-1, units)
            batch += of_directions[:, rows].reshape(2, -1) @ block
        total += np.abs(batch) / (stop - start)
    return total


def _per_example(values: Array, of_directions: Array) -> Array:
    """Shapes: values (N, K, U), of_directions (2, N, K) -> (2, U)."""
    examples, count, units = values.shape
    total = np.zeros((2, units))
    for first in range(0, examples, ROWS):
        block = np.asarray(values[first : first + ROWS], dtype=np.float32)
        chosen = of_directions[:, first : first + ROWS]
        if count == 1:  # |w · J| = |w| · |J|: one product of matrices
            total += np.abs(chosen[..., 0]) @ np.abs(block[:, 0])
        else:
            total += np.abs(chosen.swapaxes(0, 1) @ block).sum(axis=0)
    mean: Array = total / examples
    return mean
