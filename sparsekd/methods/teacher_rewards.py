"""Instances as a teacher selector sees them: what they teach the student, and its rewards."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.knowledge.losses import kl, squared_error, task_loss
from sparsekd.methods.base import Rows

ROUNDS = 200  # of expectation maximisation


@dataclass(frozen=True)
class Instances:
    """Some examples, without gradients; their states are empty where nobody reads them.

    Shapes: student (B, C), teachers (B, N, C), labels (B,), states (B, N, D + C + 1), rows (B,).
    """

    student: Tensor
    teachers: Tensor
    labels: Tensor
    states: Tensor
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def regression(self) -> bool:
        """A label with a fraction is a quantity."""
        return self.labels.is_floating_point()

    def some(self, rows: slice) -> "Instances":
        """A part of them."""
        return Instances(
            self.student[rows],
            self.teachers[rows],
            self.labels[rows],
            self.states[rows],
            self.rows[rows],
        )

    def losses(self) -> Tensor:
        """Each teacher's loss on the gold labels.

        Shapes: -> (B, N).
        """
        count = self.teachers.shape[1]
        labels = self.labels.repeat_interleave(count)
        return task_loss(self.teachers.flatten(0, 1), labels).view(-1, count)


def joined(parts: Sequence[Instances]) -> Instances:
    """Several batches of instances as one."""
    return Instances(
        torch.cat([part.student for part in parts]),
        torch.cat([part.teachers for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat([part.states for part in parts]),
        np.concatenate([part.rows for part in parts]),
    )


def states_of(cls: Tensor, found: Instances) -> Tensor:
    """Per teacher: the student's [CLS] over √D, the teacher's class probabilities, its loss.

    A regression has the teacher's answer in place of probabilities.

    Shapes: cls (B, D) -> (B, N, D + C + 1).
    """
    vectors = (cls / cls.shape[-1] ** 0.5)[:, None].expand(-1, found.teachers.shape[1], -1)
    answers = found.teachers if found.regression else torch.softmax(found.teachers, dim=-1)
    return torch.cat([vectors, answers, found.losses()[..., None]], dim=-1)


def shares_of(actions: Tensor, probabilities: Tensor) -> Tensor:
    """Equal shares for the chosen teachers; where nobody is chosen, the likeliest has it all.

    Shapes: actions, probabilities (B, N) -> (B, N).
    """
    likeliest = F.one_hot(probabilities.argmax(-1), actions.shape[-1]).float()
    actions = torch.where(actions.sum(-1, keepdim=True) > 0, actions, likeliest)
    return actions / actions.sum(-1, keepdim=True)


def distance(student: Tensor, found: Instances, shares: Tensor, temperature: float) -> Tensor:
    """L_KD: the mean over the chosen teachers of T² · KL(teacher || student), or squared errors.

    Shapes: student (B, C), shares (B, N) -> (B,).
    Source: Yuan et al., AAAI 2021, arXiv 2012.06048.
    """
    each = student[:, None]
    if found.regression:
        return (shares * squared_error(each, found.teachers)).sum(-1)
    return (shares * kl(each, found.teachers, temperature)).sum(-1)


def terms(
    student: Tensor, found: Instances, shares: Tensor, params: TeacherSelectionParams
) -> dict[str, Tensor]:
    """What a student with these logits loses; a weight of zero leaves its term out.

    Shapes: student (B, C), shares (B, N) -> (B,) each.
    """
    alpha, both = params.alpha, {}
    if alpha < 1:
        both["soft"] = (1 - alpha) * distance(student, found, shares, params.temperature)
    if alpha > 0:
        both["hard"] = alpha * task_loss(student, found.labels)
    return both


def ahead(found: Instances, shares: Tensor, params: TeacherSelectionParams) -> Tensor:
    """The student's logits after one gradient step on them under these teachers.

    Shapes: shares (B, N) -> (B, C).
    """
    with torch.enable_grad():
        logits = found.student.clone().requires_grad_()
        total = torch.stack(list(terms(logits, found, shares, params).values())).sum()
        (slope,) = torch.autograd.grad(total, logits)
    return found.student - params.look_ahead * slope


def reward(
    student: Tensor, found: Instances, shares: Tensor, params: TeacherSelectionParams
) -> Tensor:
    """−L_CE (r1) or −L_CE − L_KD; the third reward's accuracy comes later, for many at once.

    Shapes: student (B, C), shares (B, N) -> (B,).
    Source: Yuan et al., AAAI 2021, arXiv 2012.06048.
    """
    own = -task_loss(student, found.labels)
    if params.reward == "r1":
        return own
    return own - distance(student, found, shares, params.temperature)


def mixture(losses: Tensor) -> Tensor:
    """The weights under which the teachers' mixture gives the gold labels the most likelihood.

    By expectation maximisation from equal weights, exp(−loss) being a teacher's likelihood.

    Shapes: losses (B, N) -> (N,).
    Source: Dempster, Laird, Rubin, Journal of the Royal Statistical Society B 1977.
    """
    weights = torch.full_like(losses[0], 1 / losses.shape[1])
    for _ in range(ROUNDS):
        weights = torch.softmax(weights.log() - losses, dim=-1).mean(0)
    return weights
