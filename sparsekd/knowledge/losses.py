"""Distances between what two models know: one value per example, for policies to weigh."""

import torch.nn.functional as F
from torch import Tensor


def task_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with class ids, in nats; squared error where labels are floating-point.

    Shapes: logits (B, C), labels (B,) -> (B,).
    """
    if labels.is_floating_point():
        return squared_error(logits, labels.unsqueeze(1))
    return F.cross_entropy(logits.float(), labels, reduction="none")


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² times the cross-entropy of the student under the teacher's softened probabilities.

    Contains the teacher's own entropy: where both agree it is T² · entropy, not 0. The factor
    T² keeps the size of the student's gradient independent of the temperature.

    Shapes: student, teacher (B, C) logits -> (B,).
    Source: Hinton, Vinyals, Dean, 2015, arXiv 1503.02531.
    """
    soft = F.softmax(teacher.float() / temperature, dim=-1)
    log_student = F.log_softmax(student.float() / temperature, dim=-1)
    return -(temperature**2) * (soft * log_student).sum(-1)


def kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher || student) of the softened probabilities; 0 where both agree.

    The student's gradient is that of `soft_cross_entropy`, the teacher's is not.

    Shapes: student, teacher (B, C) logits -> (B,).
    Source: Hinton, Vinyals, Dean, 2015, arXiv 1503.02531.
    """
    log_teacher = F.log_softmax(teacher.float() / temperature, dim=-1)
    log_student = F.log_softmax(student.float() / temperature, dim=-1)
    return temperature**2 * (log_teacher.exp() * (log_teacher - log_student)).sum(-1)


def squared_error(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over the outputs of the squared difference; the soft labels of a regression.

    Shapes: student, teacher (B, C) -> (B,).
    """
    return (student.float() - teacher.float()).square().mean(-1)
