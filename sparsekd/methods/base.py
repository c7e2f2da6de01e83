"""What every distillation method is, and what the training loop shows it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.knowledge.observe import Knowledge
from sparsekd.parameters import Params
from sparsekd.tasks import TaskCard


@dataclass(frozen=True)
class Setup:
    """What a method may look at before the first step.

    `teachers` holds the models only where the method's `needs` go beyond logits;
    `teacher_count` counts them either way.
    """

    student: PreTrainedModel
    card: TaskCard
    teacher_count: int = 0
    teachers: tuple[PreTrainedModel, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


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
    rows: np.ndarray

    @property
    def regression(self) -> bool:
        """Class ids are integers; a label with a fraction is a quantity."""
        return self.labels.is_floating_point()


@dataclass(frozen=True)
class Progress:
    """How far training has come: `step` steps of `steps` are done, in epoch `epoch` (from 0)."""

    step: int
    steps: int
    epoch: int

    @property
    def share(self) -> float:
        """Share of the planned steps already done, in [0, 1)."""
        return self.step / self.steps


@dataclass(frozen=True)
class Signal:
    """What one optimiser step led to.

    `terms` are detached. `held_out()` evaluates the student on the selection split: the metrics
    and the mean loss, at the price of one pass over it; ask once per phase, not per step.

    Shapes: each term (B,).
    """

    seen: Seen
    terms: dict[str, Tensor]
    progress: Progress
    held_out: Callable[[], dict[str, float]]


class Method(ABC):
    """What of the teachers' knowledge is passed on, and when. Only `loss` is required.

    Random draws need no generator of their own: the loop seeds torch before `prepare` and
    before each step, so that an interrupted run repeats them.
    """

    needs: frozenset[str] = frozenset()
    """What the loop shows beyond logits: any of "hidden", "attention", "values"."""

    params: Params

    def __init__(self, params: Params) -> None:
        self.params = params

    def prepare(self, setup: Setup) -> None:  # noqa: B027 - an optional hook
        """Build projections or policies.

        Raises:
            Incompatible: student, teachers and task do not fit this method.
        """

    def modules(self) -> dict[str, nn.Module]:
        """Extra modules trained with the student and kept in its checkpoints."""
        return {}

    @abstractmethod
    def loss(self, seen: Seen, progress: Progress) -> dict[str, Tensor]:
        """Named terms, already weighted; the loop adds them up and averages over the batch.

        Shapes: each term (B,).
        """

    def feedback(self, signal: Signal) -> None:  # noqa: B027 - an optional hook
        """Learn from what a step led to: rewards, policies with optimisers of their own."""

    def state(self) -> dict[str, Tensor]:
        """What must survive an interruption beyond `modules()`: running means, policies."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:  # noqa: B027 - an optional hook
        """Take back what `state` gave; called after `prepare`."""
