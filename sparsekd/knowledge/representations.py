"""Losses between internal states of two models: one value per example.

Where two layers have different numbers of heads, each model's heads are averaged first.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsekd.models.devices import full_precision


def attention_kl(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Return KL(teacher || student) of attention rows, in nats; mean over heads and real queries.

    Args:
        student: Scores before the softmax: their log-softmax is exact even for tiny probabilities.
        teacher: Probabilities.

    Shapes: student, teacher (B, H, T, T), mask (B, T) -> (B,).
    Source: Aguilar et al., AAAI 2020, arXiv 1910.03723.
    """
    padded = ~mask.bool()[:, None, None]
    known = torch.log_softmax(student.masked_fill(padded, -torch.inf), dim=-1)
    # Padded keys contribute nothing, whatever the teacher holds there.
    known, teacher = known.masked_fill(padded, 0.0), teacher.masked_fill(padded, 0.0)
    if known.shape[1] != teacher.shape[1]:
        known = known.logsumexp(1, keepdim=True) - math.log(known.shape[1])
        teacher = teacher.mean(1, keepdim=True)
    return _over_queries((torch.xlogy(teacher, teacher) - teacher * known).sum(-1), mask)


def score_distance(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared difference of attention scores before the softmax, over real tokens.

    Shapes: student, teacher (B, H, T, T), mask (B, T) -> (B,).
    Source: Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351.
    """
    student, teacher = paired(student, teacher)
    real = mask.to(student.dtype)[:, None, None]
    squares = torch.where(real.bool(), student - teacher, 0.0).square()
    return _over_queries(squares.sum(-1) / real.sum(-1), mask)


def value_relation_kl(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Return KL(teacher || student) of value relations softmax(V·Vᵀ/√d), d the size of a head.

    Shapes: student (B, H, T, d), teacher (B, H', T, d'), mask (B, T) -> (B,).
    Source: Wang et al., NeurIPS 2020, arXiv 2002.10957.
    """
    padded = ~mask.bool()[:, None, None]
    theirs = torch.softmax(_relations(teacher).masked_fill(padded, -torch.inf), dim=-1)
    return attention_kl(_relations(student), theirs, mask)


def cls_cosine(student: Tensor, teacher: Tensor) -> Tensor:
    """Return 1 − the cosine of two [CLS] vectors: 0 in the same direction, 2 in opposite ones.

    Shapes: student, teacher (B, D) -> (B,).
    Source: Aguilar et al., AAAI 2020, arXiv 1910.03723.
    """
    return 1 - F.cosine_similarity(student, teacher, dim=-1)


def cls_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared difference of two [CLS] vectors, each scaled to length 1.

    Shapes: student, teacher (B, D) -> (B,).
    Source: Sun et al., EMNLP 2019, arXiv 1908.09355 (patient distillation).
    """
    return (F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)).square().mean(-1)


def paired(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Return heads as they are, or their means where the two models have different numbers.

    Shapes: student (B, H, …), teacher (B, H', …) -> both (B, H, …) or both (B, 1, …).
    """
    if student.shape[1] == teacher.shape[1]:
        return student, teacher
    return student.mean(1, keepdim=True), teacher.mean(1, keepdim=True)


def _relations(values: Tensor) -> Tensor:
    """Return V·Vᵀ/√d in float32, also inside the bfloat16 of a training.

    Shapes: (B, H, T, d) -> (B, H, T, T).
    """
    values = values.float()
    with full_precision(values.device):
        scores: Tensor = values @ values.mT / values.shape[-1] ** 0.5
    return scores


def _over_queries(rows: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over heads and over real query tokens.

    Shapes: rows (B, H, T), mask (B, T) -> (B,).
    """
    real = torch.where(mask.bool()[:, None], rows, 0.0)
    return real.mean(1).sum(-1) / mask.sum(-1)
