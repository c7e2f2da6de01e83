"""The interface of a distillation method, and the values that the trainer passes to it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.catalog.parameters import MethodParams
from sparsekd.errors import Incompatible
from sparsekd.knowledge.losses import (
    soft_binary_cross_entropy,
    soft_cross_entropy,
    squared_error,
    task_loss,
)
from sparsekd.knowledge.observe import Knowledge, Needs
from sparsekd.tasks import TaskCard

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Setup:
    """The models and sizes of a training, known before its first step.

    `teachers` holds the models only where the method `reads_layers`; `teacher_count` counts them
    either way. `steps` are the optimiser steps of one training, `rows` and `selection_rows` the
    examples of the training data and of the selection split, `batch_size` those of a step.
    `held_out` are the answers of the teachers on the selection split, only where the method's
    parameters ask for them, and `held_out_labels` its gold labels.

    Shapes: held_out (selection_rows, N, C); held_out_labels (selection_rows,), with several labels
    (selection_rows, C).
    """

    student: PreTrainedModel
    card: TaskCard
    teacher_count: int = 0
    teachers: tuple[PreTrainedModel, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    steps: int = 1
    rows: int = 1
    selection_rows: int = 1
    batch_size: int = 1
    held_out: Tensor | None = None
    held_out_labels: Tensor | None = None


@dataclass(frozen=True)
class BatchOutputs:
    """The outputs of the student and of its N teachers on one training batch.

    `labelled` holds the places of the examples with a gold label, None where all have one;
    `class_weights` those of `task_loss`, None where all classes count the same.

    Shapes: labels (B,), with several labels (B, C); mask (B, T), 1 for a real token of the
    student's input; rows (B,), the examples' indices in the training data; labelled (K,);
    class_weights (C,).
    """

    student: Knowledge
    teachers: tuple[Knowledge, ...]
    labels: Tensor
    mask: Tensor
    rows: Rows
    labelled: Tensor | None = None
    class_weights: Tensor | None = None

    @property
    def regression(self) -> bool:
        """Whether the labels are quantities; class ids are integers."""
        return self.labels.is_floating_point() and not self.multilabel

    @property
    def multilabel(self) -> bool:
        """Whether an example has several labels."""
        return self.labels.ndim == 2

    def labelled_mask(self) -> Tensor:
        """Return which examples have a gold label.

        Shapes: -> (B,).
        """
        if self.labelled is None:
            return torch.ones(len(self.labels), dtype=torch.bool, device=self.labels.device)
        mask = torch.zeros(len(self.labels), dtype=torch.bool, device=self.labels.device)
        return mask.index_fill(0, self.labelled, True)


@dataclass(frozen=True)
class TrainingProgress:
    """The position of a step in a training: `step` of `steps` are done, in epoch `epoch` (from 0).

    `episode` counts trainings from 0; the last is the final training, those before it are
    training episodes (see `Method.training_episodes`).
    """

    step: int
    steps: int
    epoch: int
    episode: int = 0

    @property
    def fraction(self) -> float:
        """Return the share of the training's steps already done, 0 at its first step."""
        return self.step / self.steps

    @property
    def global_step(self) -> int:
        """Return the steps done in all trainings together."""
        return self.episode * self.steps + self.step


@dataclass(frozen=True)
class StepResult:
    """The result of one optimiser step.

    `terms` are detached. `evaluate()` returns the current student's metrics and mean loss on the
    selection split, at the cost of one pass over it. `observe(rows)` returns the current outputs
    for any training examples, without gradients and without dropout.

    Shapes: each term (B,), or (K,) for K examples that it applies to.
    """

    outputs: BatchOutputs
    terms: dict[str, Tensor]
    progress: TrainingProgress
    evaluate: Callable[[], dict[str, float]]
    observe: Callable[[Rows], BatchOutputs]


class Method(ABC):
    """A distillation method: a loss and optional callbacks. Only `loss` is required.

    Random draws need no generator of their own: the trainer seeds torch before `prepare` and
    before each step, so that a resumed run repeats them.
    """

    reads_layers: bool = False
    """Whether the method reads the teachers' layers, beyond their logits."""

    by_example: bool = False
    """Whether an example's loss follows from its own logits, label and answers alone, without a
    callback: one call then serves many students with equal parameters."""

    student_needs: Needs
    teacher_needs: Needs
    """Layers to capture beyond the logits; set in `prepare`, fixed from then on."""

    params: MethodParams

    def __init__(self, params: MethodParams) -> None:
        self.params = params
        self.student_needs = {}
        self.teacher_needs = {}
        self.logged: list[tuple[int, str, float]] = []

    @property
    def training_episodes(self) -> int:
        """Return the number of training episodes, each with a fresh student, before the final one.

        The final training's student is the result; those of the episodes are discarded.
        """
        return self.params.training_episodes

    def prepare(self, setup: Setup) -> None:  # noqa: B027 - optional
        """Set `student_needs` and `teacher_needs`; build projections or policies.

        Raises:
            Incompatible: student, teachers and task do not fit this method.
        """

    def modules(self) -> dict[str, nn.Module]:
        """Return extra modules to train with the student; reset in each episode, checkpointed."""
        return {}

    def on_train_start(self, episode: int) -> None:  # noqa: B027 - optional
        """Reset what belongs to one student; called again where that training is resumed."""

    @abstractmethod
    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return the weighted loss terms by name; the loss is the sum of their means.

        Each has one value per example that it applies to: a term of gold labels is
        `gold_label_loss`. A term that plays no part at this step is left out, never zero.

        Shapes: each term (B,), or (K,) for the K examples with a gold label.
        """

    def on_step_end(self, result: StepResult) -> None:  # noqa: B027 - optional
        """Learn from a step: update rewards and policies, by optimisers of their own."""

    def rate_span(self, progress: TrainingProgress) -> range:
        """Return the steps around this one that share a warm-up and a decay: all of them."""
        return range(progress.steps)

    def ready(self, progress: TrainingProgress) -> bool:
        """Return whether the student may be evaluated for selection after this step.

        A staged method is ready in its last stage.
        """
        return True

    def log(self, progress: TrainingProgress, values: dict[str, float]) -> None:
        """Log values at this step, each named "kind/name" such as "weight/response"."""
        self.logged += [
            (progress.global_step, name, float(value)) for name, value in values.items()
        ]

    def inspect_examples(self, outputs: BatchOutputs) -> list[dict[str, Any]]:
        """Return table rows about some training examples, each with its "row".

        A method that overrides this is called before the first step and after the last, with the
        same examples, without gradients and without dropout.
        """
        return []

    def facts(self) -> dict[str, Any]:
        """Return small plain facts that a run records of a finished training."""
        return {}

    @property
    def inspects_examples(self) -> bool:
        """Return whether the method overrides `inspect_examples`."""
        return type(self).inspect_examples is not Method.inspect_examples

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold beyond `modules()`: running means, policies."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:  # noqa: B027 - optional
        """Restore the state that `state_dict` returned; called after `prepare`."""


def require_one_teacher(title: str, setup: Setup) -> None:
    """Check that there is exactly one teacher.

    Raises:
        Incompatible: there is none, or there are several.
    """
    if setup.teacher_count != 1:
        raise Incompatible(
            f"{title} learns from one teacher, not {setup.teacher_count}.", "Choose one teacher."
        )


def gold_label_loss(outputs: BatchOutputs) -> Tensor:
    """Return the task loss of the examples that have a gold label, with their classes' weights.

    Shapes: -> (B,), or (K,) where K examples have a label.
    """
    logits, labels, places = outputs.student.logits, outputs.labels, outputs.labelled
    if places is None:
        return task_loss(logits, labels, outputs.class_weights)
    return task_loss(logits[places], labels[places], outputs.class_weights)


def soft_label_loss(outputs: BatchOutputs, temperature: float) -> Tensor:
    """Return the distance to the first teacher's logits: soft cross-entropy, or squared error.

    With several labels, the mean over labels of the soft cross-entropy of two outcomes.

    Shapes: -> (B,).
    """
    student, teacher = outputs.student.logits, outputs.teachers[0].logits
    if outputs.regression:
        return squared_error(student, teacher)
    if outputs.multilabel:
        return soft_binary_cross_entropy(student, teacher, temperature)
    return soft_cross_entropy(student, teacher, temperature)


def pseudo_label_loss(outputs: BatchOutputs) -> Tensor:
    """Return the cross-entropy on the first teacher's most probable class, or outcomes of labels.

    Shapes: -> (B,).
    Source: Lee, ICML 2013 workshop (pseudo-labels); here they are the teacher's.
    """
    teacher = outputs.teachers[0].logits
    given = (teacher > 0).float() if outputs.multilabel else teacher.argmax(-1)
    return task_loss(outputs.student.logits, given)
