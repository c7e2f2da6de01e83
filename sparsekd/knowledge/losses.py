"""Losses between two models' outputs: one value per example, so that policies can weigh them."""

import torch
import torch.nn.functional as F
from torch import Tensor


def task_loss(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Return the cross-entropy with class ids, in nats; squared error for floating-point labels.

    Of several labels, 1 or 0 each: the mean over labels of the binary cross-entropy. With class
    weights w: w_y times the cross-entropy of class y, not divided by their sum over the batch; of
    several labels −w_c · log σ(s_c) where label c applies, as without weights where it does not.

    Shapes: logits (B, C), labels (B,), with several labels (B, C), class_weights (C,) -> (B,).
    """
    if labels.ndim == 2:
        return binary_cross_entropy(logits, labels, class_weights)
    if labels.is_floating_point():
        return squared_error(logits, labels.unsqueeze(1))
    loss = F.cross_entropy(logits.float(), labels, reduction="none")
    return loss if class_weights is None else class_weights[labels] * loss


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T² times the cross-entropy of the student under the teacher's softened probabilities.

    Contains the teacher's own entropy: where both agree it is T² · entropy, not 0. The factor
    T² keeps the size of the student's gradient independent of the temperature.

    Shapes: student, teacher (B, C) logits -> (B,).
    Source: Hinton, Vinyals, Dean, 2015, arXiv 1503.02531.
    """
    soft = F.softmax(teacher.float() / temperature, dim=-1)
    log_student = F.log_softmax(student.float() / temperature, dim=-1)
    return -(temperature**2) * (soft * log_student).sum(-1)


def kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T² · KL(teacher || student) of the softened probabilities; 0 where both agree.

    The student's gradient is that of `soft_cross_entropy`, the teacher's is not.

    Shapes: student, teacher (B, C) logits -> (B,).
    Source: Hinton, Vinyals, Dean, 2015, arXiv 1503.02531.
    """
    log_teacher = F.log_softmax(teacher.float() / temperature, dim=-1)
    log_student = F.log_softmax(student.float() / temperature, dim=-1)
    return temperature**2 * (log_teacher.exp() * (log_teacher - log_student)).sum(-1)


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Return the mean over labels of the cross-entropy of two outcomes, in nats.

    Shapes: logits, targets (…, C), probabilities of each label, class_weights (C,), of the outcome
    that it applies -> (…).
    """
    each = F.binary_cross_entropy_with_logits(
        logits.float(), targets.float(), reduction="none", pos_weight=class_weights
    )
    return each.mean(-1)


def soft_binary_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T² times the mean over labels of the cross-entropy under σ(teacher / T).

    `soft_cross_entropy` for several labels; like it, it contains the teacher's own entropy.

    Shapes: student, teacher (B, C) logits -> (B,).
    Source: Hinton, Vinyals, Dean, 2015, arXiv 1503.02531, for two outcomes of each label.
    """
    soft = torch.sigmoid(teacher.float() / temperature)
    return temperature**2 * binary_cross_entropy(student.float() / temperature, soft)


def binary_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T² times the mean over labels of KL(teacher || student); 0 where both agree.

    Shapes: student, teacher (…, C) logits -> (…).
    Source: Hinton, Vinyals, Dean, 2015, arXiv 1503.02531, for two outcomes of each label.
    """
    cold_student, cold_teacher = student.float() / temperature, teacher.float() / temperature
    soft = torch.sigmoid(cold_teacher)
    applies = F.logsigmoid(cold_teacher) - F.logsigmoid(cold_student)
    applies_not = F.logsigmoid(-cold_teacher) - F.logsigmoid(-cold_student)
    return temperature**2 * (soft * applies + (1 - soft) * applies_not).mean(-1)


def squared_error(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared difference over the outputs; the soft-label loss of a regression.

    Shapes: student, teacher (B, C) -> (B,).
    """
    return (student.float() - teacher.float()).square().mean(-1)
