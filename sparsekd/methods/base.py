"""What every distillation method is, and what the training loop shows it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.catalog.parameters import Params
from sparsekd.errors import Incompatible
from sparsekd.knowledge.losses import soft_cross_entropy, squared_error
from sparsekd.knowledge.observe import Knowledge, Needs
from sparsekd.tasks import TaskCard

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Setup:
    """What a method may look at before the first step.

    `teachers` holds the models only where the method looks `inside` them; `teacher_count` counts
    them either way. `steps` are the optimiser steps of one course, `rows` and `selection_rows`
    the examples of the training data and of the selection split, `batch_size` those of a step.
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


@dataclass(frozen=True)
class Seen:
    """One training batch as the student and its N teachers see it.

    Shapes: labels (B,); mask (B, T), 1 for a real token of the student's input; rows (B,), the
    examples' places in the training data, for what is remembered per example.
    """

    student: Knowledge
    teachers: tuple[Knowledge, ...]
    labels: Tensor
    mask: Tensor
    rows: Rows

    @property
    def regression(self) -> bool:
        """Class ids are integers; a label with a fraction is a quantity."""
        return self.labels.is_floating_point()


@dataclass(frozen=True)
class Progress:
    """How far a course has come: `step` steps of `steps` are done, in epoch `epoch` (from 0).

    Courses before the last are rehearsals (see `Method.rehearsals`).
    """

    step: int
    steps: int
    epoch: int
    course: int = 0

    @property
    def share(self) -> float:
        """Share of the planned steps already done: 0 at the first step, 1 after the last."""
        return self.step / self.steps

    @property
    def place(self) -> int:
        """Steps done in all courses together."""
        return self.course * self.steps + self.step


@dataclass(frozen=True)
class Signal:
    """What one optimiser step led to.

    `terms` are detached. `held_out()` evaluates the student as it is now on the selection split:
    the metrics and the mean loss, at the price of one pass over it. `review(rows)` is how student
    and teachers see any training examples now, without gradients and without dropout.

    Shapes: each term (B,).
    """

    seen: Seen
    terms: dict[str, Tensor]
    progress: Progress
    held_out: Callable[[], dict[str, float]]
    review: Callable[[Rows], Seen]


class Method(ABC):
    """What of the teachers' knowledge is passed on, and when. Only `loss` is required.

    Random draws need no generator of their own: the loop seeds torch before `prepare` and
    before each step, so that an interrupted run repeats them.
    """

    inside: bool = False
    """Whether the method looks inside its teachers, beyond their logits."""

    examines: bool = False
    """Whether the method has something to tell about examples (see `examine`)."""

    student_needs: Needs
    teacher_needs: Needs
    """Which layers are shown beyond the logits; set in `prepare`, fixed from then on."""

    params: Params

    def __init__(self, params: Params) -> None:
        self.params = params
        self.student_needs = {}
        self.teacher_needs = {}
        self.notes: list[tuple[int, str, float]] = []

    @property
    def rehearsals(self) -> int:
        """Courses with a fresh student each, before the one whose student counts."""
        return 0

    def prepare(self, setup: Setup) -> None:  # noqa: B027 - an optional hook
        """Say what is needed; build projections or policies.

        Raises:
            Incompatible: student, teachers and task do not fit this method.
        """

    def modules(self) -> dict[str, nn.Module]:
        """Extra modules trained with the student, fresh in each course, kept in checkpoints."""
        return {}

    def begin(self, course: int) -> None:  # noqa: B027 - an optional hook
        """A course (0, 1, …) begins with a fresh student; asked again where it is resumed."""

    @abstractmethod
    def loss(self, seen: Seen, progress: Progress) -> dict[str, Tensor]:
        """Named terms, already weighted; the loop adds them up and averages over the batch.

        A term that plays no part at this step is left out, never zero.

        Shapes: each term (B,).
        """

    def feedback(self, signal: Signal) -> None:  # noqa: B027 - an optional hook
        """Learn from what a step led to: rewards, policies with optimisers of their own."""

    def ready(self, progress: Progress) -> bool:
        """Whether the student may be judged after this step; staged methods say from when on."""
        return True

    def note(self, progress: Progress, values: dict[str, float]) -> None:
        """Log numbers of the method's own at this step, named like "weight/response"."""
        self.notes += [(progress.place, name, float(value)) for name, value in values.items()]

    def examine(self, seen: Seen) -> list[dict[str, Any]]:
        """What the method can tell about some examples, in rows of a table.

        Where it `examines`, it is asked before the first step and after the last, about the same
        training examples, without gradients and without dropout.
        """
        return []

    def state(self) -> dict[str, Tensor]:
        """What must survive an interruption beyond `modules()`: running means, policies."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:  # noqa: B027 - an optional hook
        """Take back what `state` gave; called after `prepare`."""


def one_teacher(title: str, setup: Setup) -> None:
    """Refuse anything but one teacher.

    Raises:
        Incompatible: there is none, or there are several.
    """
    if setup.teacher_count != 1:
        raise Incompatible(
            f"{title} learns from one teacher, not {setup.teacher_count}.", "Choose one teacher."
        )


def soft_labels(seen: Seen, temperature: float) -> Tensor:
    """Distance to the first teacher's outputs: soft cross-entropy, or squared error.

    Shapes: -> (B,).
    """
    student, teacher = seen.student.logits, seen.teachers[0].logits
    if seen.regression:
        return squared_error(student, teacher)
    return soft_cross_entropy(student, teacher, temperature)
