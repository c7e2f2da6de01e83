"""The only training loop: any method, any interruption, the same result."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from transformers import PreTrainedModel

from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Encoded
from sparsekd.errors import Cancelled
from sparsekd.knowledge.evaluation import Logits, OnProgress, no_progress
from sparsekd.knowledge.observe import reduced_last_layer
from sparsekd.methods.base import Method
from sparsekd.models.memory import enough_memory
from sparsekd.tasks import TaskCard
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.step import Lesson
from sparsekd.training.trainer import Course, Trained

__all__ = ["Trained", "train"]

MEMORY_HINT = "Lower batch_size or max_length, or choose a smaller student."


def train(
    model: PreTrainedModel,
    method: Method,
    data: Encoded,
    selection: Encoded,
    card: TaskCard,
    params: TrainParams,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    teacher_logits: Sequence[Logits] = (),
    teachers: Sequence[PreTrainedModel] = (),
    report: OnProgress = no_progress,
    stop: Callable[[], bool] = lambda: False,
    save: Callable[[Checkpoint], None] = lambda checkpoint: None,
    save_every: float = 60.0,
    resume: Checkpoint | None = None,
) -> Trained:
    """Train `model` in place by `method` until the planned steps or the patience are used up.

    Batches are bucketed by length, padded to their own longest; where the method does not ask
    for its hidden states, the last layer is computed for [CLS] only. Same arguments, same result
    on a CPU, whether or not it was interrupted and resumed in between.

    Args:
        selection: Decides the best epoch and the patience, by the card's first metric, ties by
            the lower loss; no example of it is in `data`.
        teacher_logits, teachers: See `Lesson`.
        report: Hears {kind: "teacher"} while what teachers show is kept, {kind: "step"} about
            twice a second and {kind: "epoch"} after each epoch.
        stop: Asked before every step.
        save: Given a checkpoint at epoch ends, every `save_every` seconds, and before stopping;
            it must be written or copied before the call returns.

    Raises:
        Cancelled: `stop` said so; the checkpoint given to `save` last goes on from there.
        BadInput: the loss is no number any more; Unavailable: memory ran out.
        Incompatible: things do not fit together, or `resume` belongs to another run.
    """
    device = torch.device(device)
    with enough_memory(MEMORY_HINT), ExitStack() as around:
        around.enter_context(torch.random.fork_rng(_indices(device)))
        lesson = Lesson(
            model, method, data, card, params, seed, device, teacher_logits, teachers,
            len(selection), lambda done, of: _remembering(report, stop, done, of),
        )  # fmt: skip
        around.enter_context(reduced_last_layer(model, method.student_needs))
        course = Course(lesson, selection, card, report, save, save_every)
        if resume:
            course.restore(resume)
        course.run(stop)
        return course.result()


def _remembering(report: OnProgress, stop: Callable[[], bool], done: int, of: int) -> None:
    report({"kind": "teacher", "done": done, "total": of})
    if stop():
        raise Cancelled("Stopped before the first step.", "Resume the run to begin again.")


def _indices(device: torch.device) -> list[int]:
    """The CUDA generators that the training seeds."""
    if device.type != "cuda":
        return []
    return [torch.cuda.current_device() if device.index is None else device.index]
