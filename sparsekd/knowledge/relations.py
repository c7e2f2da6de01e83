"""Distances between hidden states of matched layers, and between flows of solution."""

import torch
from torch import Tensor

from sparsekd.errors import Incompatible
from sparsekd.models.devices import full_precision


def every_nth(student: int, teacher: int) -> tuple[int, ...]:
    """Return the teacher's layers (1 = bottom) that the student's layers 1, 2, … are matched with.

    Raises:
        Incompatible: the teacher's layers are no multiple of the student's.
    """
    if teacher % student:
        fitting = [str(count) for count in range(1, teacher + 1) if teacher % count == 0]
        raise Incompatible(
            f"The teacher has {teacher} layers, the student {student}.",
            f"Choose {', '.join(fitting[:-1])}{' or ' * (len(fitting) > 1)}{fitting[-1]} "
            "layers for the student.",
        )
    return tuple(range(teacher // student, teacher + 1, teacher // student))


def state_distance(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared difference of two hidden states over real tokens and dimensions.

    Shapes: student, teacher (B, T, D), mask (B, T) -> (B,).
    """
    per_token = (student.float() - teacher.float()).square().mean(-1)
    return (per_token * mask).sum(-1) / mask.sum(-1)


def flow(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Return the flow of solution G = XᵀY / n of two layers' states X, Y over n real tokens.

    In float32, also inside the bfloat16 of a training.

    Shapes: first, second (B, T, D), mask (B, T) -> (B, D, D).
    Source: Yim et al., CVPR 2017 (flow-of-solution matrix); used by Wang et al., Findings of
    EMNLP 2022, arXiv 2302.00444.
    """
    real = mask.unsqueeze(-1).float()
    # Both sides are masked: padded places may hold anything, even NaN.
    first, second = (torch.where(real.bool(), each.float(), 0.0) for each in (first, second))
    with full_precision(first.device):
        return (first.mT @ second) / real.sum(1, keepdim=True)


def flow_distance(
    student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], mask: Tensor
) -> Tensor:
    """Return the mean squared difference of two flow-of-solution matrices.

    Shapes: each of both pairs (B, T, D), mask (B, T) -> (B,).
    """
    difference = flow(*student, mask) - flow(*teacher, mask)
    return difference.square().mean((1, 2))
