"""One call of a method for all students of a stack that learn by it with the same parameters.

On a GPU the losses of small students, one after another, would take longer than their models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsekd.data import Batch, upload
from sparsekd.knowledge.observe import Knowledge
from sparsekd.methods.base import BatchOutputs, TrainingProgress
from sparsekd.training.loss_means import add_all
from sparsekd.training.trainer import Trainer

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class JointTerms:
    """The loss terms of some students on one batch each, 0 where a row only fills the batch.

    Shapes: terms (S, B), S students.
    """

    terms: dict[str, Tensor]
    counts: list[int]

    def loss(self) -> Tensor:
        """Return the sum over students of the mean loss."""
        summed = torch.stack(list(self.terms.values())).sum(0).sum(1)
        if len(set(self.counts)) == 1:
            return (summed / self.counts[0]).sum()
        return (summed / upload(np.array(self.counts, dtype=np.float32), summed.device)).sum()


class JointLoss:
    """The losses of students by one method with equal parameters, computed together.

    Args:
        places: The students' places in the stack.
    """

    def __init__(self, places: Sequence[int], trainers: Sequence[Trainer]) -> None:
        self.places, self.trainers = np.asarray(places), list(trainers)
        self.method = trainers[0].job.method
        self.taught = torch.stack([each.training_step.teacher_logits for each in trainers])
        labels = np.stack([each.job.data.labels for each in trainers])  # some may be noisy
        self.labels = upload(labels, self.taught.device)

    def terms(
        self, logits: Tensor, batch: Batch, counts: Sequence[int], progress: TrainingProgress
    ) -> JointTerms:
        """Return the terms of these students from the whole stack's outputs.

        Args:
            counts: Each student's examples; the other rows fill the batch.

        Shapes: logits (S, B, C) and batch of S · B examples, S here all students of the stack.
        """
        students, examples, _ = logits.shape
        device, own = logits.device, [counts[place] for place in self.places]
        rows = batch.rows.reshape(students, examples)[self.places]
        if len(self.places) < students:
            logits = logits[upload(self.places, device)]
        chosen = torch.arange(len(self.places), device=device)[:, None], upload(rows, device)
        taught = self.taught[chosen].flatten(0, 1).unbind(1)
        seen = BatchOutputs(
            Knowledge(logits.flatten(0, 1)),
            tuple(Knowledge(each) for each in taught),
            self.labels[chosen].flatten(0, 1),
            batch.attention_mask,
            rows.ravel(),
        )
        found = self.method.loss(seen, progress)
        terms = {name: term.view(len(rows), examples) for name, term in found.items()}
        if min(own) < examples:
            real = upload(np.arange(examples) < np.array(own)[:, None], device)
            terms = {name: torch.where(real, term, 0) for name, term in terms.items()}
        return JointTerms(terms, own)

    def end_step(self, found: JointTerms) -> None:
        """Count the step of each student and add its loss terms."""
        detached = {name: term.detach() for name, term in found.terms.items()}
        add_all([trainer.losses for trainer in self.trainers], detached, found.counts)
        for trainer, count in zip(self.trainers, found.counts, strict=True):
            trainer.count_step(count)


def joint_losses(trainers: Sequence[Trainer]) -> list[JointLoss]:
    """Return the students of a stack whose losses are computed together: two or more each.

    Students without some gold labels are not: they know different ones. Nor are those with class
    weights: labels with noise may differ, and the weights with them.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, trainer in enumerate(trainers):
        method, taught = trainer.job.method, trainer.training_step.teacher_logits
        weighted = trainer.training_step.class_weights is not None
        if method.by_example and trainer.job.data.labelled.all() and not weighted:
            key = (type(method), method.params, taught.shape)
            alike.setdefault(key, []).append(place)
    groups = [places for places in alike.values() if len(places) > 1]
    return [JointLoss(places, [trainers[place] for place in places]) for places in groups]
