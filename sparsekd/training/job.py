"""A training job: a student, what it is trained on, and by which method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel

from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Encoded
from sparsekd.knowledge.evaluation import Logits
from sparsekd.methods.base import Method
from sparsekd.tasks import TaskCard
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.events import TrainingEvent


def _ignore(_: TrainingEvent | Checkpoint) -> None:
    """Do nothing: the default of the callbacks that return nothing."""


@dataclass(frozen=True)
class Callbacks:
    """The functions that a training calls while it runs.

    Attributes:
        on_event: Receives `CacheProgress` while the teachers' internal states are cached,
            `StepLogged` about twice a second and `EpochEnded` after each epoch.
        should_stop: Called before every step; the training stops when it returns True.
        save_checkpoint: Receives a checkpoint at epoch ends, every `save_every` seconds, and
            before stopping; it must be written or copied before the call returns.
    """

    on_event: Callable[[TrainingEvent], None] = _ignore
    should_stop: Callable[[], bool] = lambda: False
    save_checkpoint: Callable[[Checkpoint], None] = _ignore
    save_every: float = 60.0


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """A student, the data and teachers that it is trained on, and the method.

    Attributes:
        model: The student; it is trained in place.
        selection: The split that decides the best epoch and the early stopping, by the card's
            first metric, ties by the lower loss; none of its examples is in `data`.
        teacher_logits: One array per teacher, row by row for `data`: computed once, since a
            teacher in evaluation mode gives the same logits at every epoch.
        teachers: The models, only where the method `reads_layers`; they must read the student's
            tokens.
        held_out_logits: One array per teacher, row by row for `selection`, only where the method
            `needs_held_out_answers`.
        checkpoint: The state to continue from, saved by the same job.
        record: Whether steps are recorded on CUDA and replayed as a whole, where the method needs
            only logits and labels and the student has no dropout (see `RecordedStep`).

    Shapes: teacher_logits N times (rows of data, C), held_out_logits N times (rows of selection,
    C).
    """

    model: PreTrainedModel
    method: Method
    data: Encoded
    selection: Encoded
    card: TaskCard
    params: TrainParams
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    teacher_logits: Sequence[Logits] = ()
    teachers: Sequence[PreTrainedModel] = ()
    callbacks: Callbacks = field(default_factory=Callbacks)
    checkpoint: Checkpoint | None = None
    record: bool = True
    held_out_logits: Sequence[Logits] = ()

    @property
    def cuda_devices(self) -> list[int]:
        """Return the CUDA devices whose random generators the training seeds."""
        if self.device.type != "cuda":
            return []
        index = self.device.index
        return [torch.cuda.current_device() if index is None else index]
