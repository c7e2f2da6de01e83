"""Instances as a teacher selector observes them: states, losses and rewards."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.knowledge.losses import (
    binary_cross_entropy,
    binary_kl,
    kl,
    squared_error,
    task_loss,
)
from sparsekd.methods.base import Rows

EM_ROUNDS = 200  # of expectation maximisation


@dataclass(frozen=True)
class Instances:
    """Some examples, without gradients; `states` is empty where there is no policy.

    `targets` are those of `targets_of`; `labelled` marks the examples with a gold label;
    `class_weights` are those of `BatchOutputs`.

    Shapes: student (B, C), teachers (B, N, C), labels (B,) or of several labels (B, C), labelled
    (B,), targets (B, C), states (B, N, D + C + 1), rows (B,), class_weights (C,).
    """

    student: Tensor
    teachers: Tensor
    labels: Tensor
    targets: Tensor
    states: Tensor
    rows: Rows
    labelled: Tensor
    class_weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def regression(self) -> bool:
        """Whether the labels are quantities."""
        return self.labels.is_floating_point() and not self.multilabel

    @property
    def multilabel(self) -> bool:
        """Whether an example has several labels."""
        return self.labels.ndim == 2

    def subset(self, rows: slice) -> "Instances":
        """Return some of the instances."""
        return Instances(
            self.student[rows],
            self.teachers[rows],
            self.labels[rows],
            self.targets[rows],
            self.states[rows],
            self.rows[rows],
            self.labelled[rows],
            self.class_weights,
        )

    def losses(self) -> Tensor:
        """Return each teacher's loss on the targets.

        Shapes: -> (B, N).
        """
        return self.loss(self.teachers, self.targets[:, None])

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy with the targets, in nats; squared error of a regression.

        With several labels, the mean over labels of the binary cross-entropy.

        Shapes: logits, targets (…, C) -> (…).
        """
        if self.regression:
            return squared_error(logits, targets)
        if self.multilabel:
            return binary_cross_entropy(logits, targets.expand_as(logits))
        return -(targets * F.log_softmax(logits.float(), dim=-1)).sum(-1)


def targets_of(teachers: Tensor, labels: Tensor, labelled: Tensor) -> Tensor:
    """Return the gold labels as probabilities of classes or labels (numbers in a regression).

    An example without a gold label has the teachers' mean probabilities instead, or their mean
    output in a regression: a choice of this project.

    Shapes: teachers (B, N, C), labels (B,) or of several labels (B, C), labelled (B,) -> (B, C).
    """
    if labels.ndim == 2:
        return torch.where(labelled[:, None], labels, teachers.sigmoid().mean(1))
    regression = labels.is_floating_point()
    gold = labels[:, None].float() if regression else one_hot(labels, teachers.shape[-1])
    consensus = (teachers if regression else teachers.softmax(-1)).mean(1)
    return torch.where(labelled[:, None], gold, consensus)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return labels as probabilities; those of an unlabelled example are without meaning.

    Shapes: labels (B,) -> (B, C).
    """
    return F.one_hot(labels.clamp_min(0), classes).float()


def held_out_losses(teachers: Tensor, labels: Tensor) -> Tensor:
    """Return each teacher's loss on the gold labels of examples outside the training data.

    Shapes: teachers (M, N, C), labels (M,) or of several labels (M, C) -> (M, N), M here the number
    of examples.
    """
    known = torch.ones(len(labels), dtype=torch.bool, device=labels.device)
    targets, rows = targets_of(teachers, labels, known), np.arange(len(labels))
    nothing = teachers.new_empty(len(labels))
    return Instances(nothing, teachers, labels, targets, nothing, rows, known).losses()


def concatenate(parts: Sequence[Instances]) -> Instances:
    """Concatenate batches of instances."""
    return Instances(
        torch.cat([part.student for part in parts]),
        torch.cat([part.teachers for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat([part.targets for part in parts]),
        torch.cat([part.states for part in parts]),
        np.concatenate([part.rows for part in parts]),
        torch.cat([part.labelled for part in parts]),
        parts[0].class_weights,
    )


def states_of(cls: Tensor, instances: Instances) -> Tensor:
    """Return a state per teacher: the student's [CLS] / √D, class probabilities, loss.

    A regression has the teacher's output in place of class probabilities.

    Shapes: cls (B, D) -> (B, N, D + C + 1).
    """
    teachers = instances.teachers
    vectors = (cls / cls.shape[-1] ** 0.5)[:, None].expand(-1, teachers.shape[1], -1)
    probabilities = teachers
    if instances.multilabel:
        probabilities = torch.sigmoid(teachers)
    elif not instances.regression:
        probabilities = torch.softmax(teachers, dim=-1)
    return torch.cat([vectors, probabilities, instances.losses()[..., None]], dim=-1)


def teacher_weights(actions: Tensor, probabilities: Tensor) -> Tensor:
    """Return equal weights for the selected teachers; with none selected, 1 for the likeliest.

    Shapes: actions, probabilities (B, N) -> (B, N).
    """
    likeliest = F.one_hot(probabilities.argmax(-1), actions.shape[-1]).float()
    actions = torch.where(actions.sum(-1, keepdim=True) > 0, actions, likeliest)
    return actions / actions.sum(-1, keepdim=True)


def distance(student: Tensor, instances: Instances, weights: Tensor, temperature: float) -> Tensor:
    """Return L_KD, the weighted mean over teachers of T² · KL(teacher || student).

    A regression has squared errors in place of the KL, several labels the mean of their KL.

    Shapes: student (B, C), weights (B, N) -> (B,).
    Source: Yuan et al., AAAI 2021, arXiv 2012.06048.
    """
    each = student[:, None]
    if instances.regression:
        return (weights * squared_error(each, instances.teachers)).sum(-1)
    if instances.multilabel:
        return (weights * binary_kl(each, instances.teachers, temperature)).sum(-1)
    return (weights * kl(each, instances.teachers, temperature)).sum(-1)


def loss_terms(
    student: Tensor, instances: Instances, weights: Tensor, params: TeacherSelectionParams
) -> dict[str, Tensor]:
    """Return the soft and the hard term for a student's logits; a weight of 0 drops a term.

    Shapes: student (B, C), weights (B, N) -> (B,) each; the hard one (K,) where K examples have a
    gold label.
    """
    alpha, terms = params.alpha, {}
    if alpha < 1:
        terms["soft"] = (1 - alpha) * distance(student, instances, weights, params.temperature)
    if alpha > 0:
        known = instances.labelled
        labels, weights_of = instances.labels[known], instances.class_weights
        terms["hard"] = alpha * task_loss(student[known], labels, weights_of)
    return terms


def look_ahead(instances: Instances, weights: Tensor, params: TeacherSelectionParams) -> Tensor:
    """Return the student's logits after one gradient step on them with these teachers.

    Shapes: weights (B, N) -> (B, C).
    """
    with torch.enable_grad():
        logits = instances.student.clone().requires_grad_()
        terms = loss_terms(logits, instances, weights, params)
        total = torch.stack([term.sum() for term in terms.values()]).sum()
        (gradient,) = torch.autograd.grad(total, logits)
    return instances.student - params.look_ahead * gradient


def reward(
    student: Tensor, instances: Instances, weights: Tensor, params: TeacherSelectionParams
) -> Tensor:
    """Return the reward −L_CE (r1), or −L_CE − L_KD (r2 and r3, without r3's accuracy).

    L_CE is the loss on the targets.

    Shapes: student (B, C), weights (B, N) -> (B,).
    Source: Yuan et al., AAAI 2021, arXiv 2012.06048.
    """
    own = -instances.loss(student, instances.targets)
    if params.reward == "r1":
        return own
    return own - distance(student, instances, weights, params.temperature)


def mixture_weights(losses: Tensor) -> Tensor:
    """Return the weights that maximise the targets' likelihood under the teachers' mixture.

    Computed by expectation maximisation from equal weights, with exp(−loss) as the likelihood.

    Shapes: losses (B, N) -> (N,).
    Source: Dempster, Laird, Rubin, Journal of the Royal Statistical Society B 1977.
    """
    weights = torch.full_like(losses[0], 1 / losses.shape[1])
    for _ in range(EM_ROUNDS):
        weights = torch.softmax(weights.log() - losses, dim=-1).mean(0)
    return weights
