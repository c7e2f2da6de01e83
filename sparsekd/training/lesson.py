"""One optimiser step: what student and teachers see, what the method makes of it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from sparsekd.data import Batch, Encoded
from sparsekd.errors import BadInput, Incompatible
from sparsekd.evaluation import Logits
from sparsekd.knowledge.observe import Knowledge, observe
from sparsekd.methods.base import Method, Progress, Seen, Setup
from sparsekd.parameters import TrainParams
from sparsekd.tasks import TaskCard
from sparsekd.training.optimisation import adamw, step_size, weights_of


class Lesson:
    """A student, a method and N teachers at work on one task's training data.

    Every random draw of a step depends on the seed and the step's number alone, so that a
    resumed run needs no generator's state.

    Args:
        teacher_logits: One array per teacher, row by row for `data`: computed once, since a
            teacher in evaluation mode answers the same at every epoch.
        teachers: The models, only where the method's `needs` go beyond logits; they must read
            the student's tokens.

    Shapes: teacher_logits N times (rows of data, C).
    Raises:
        Incompatible: model, teachers, task and method do not fit together.
        BadInput: no training examples, or logits that are no numbers.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        method: Method,
        data: Encoded,
        card: TaskCard,
        params: TrainParams,
        seed: int = 0,
        device: torch.device | str = "cpu",
        teacher_logits: Sequence[Logits] = (),
        teachers: Sequence[PreTrainedModel] = (),
    ) -> None:
        self.device = torch.device(device)
        self.model, self.method, self.data = model.to(self.device), method, data
        self.params, self.seed = params, seed
        self.teachers = tuple(each.to(self.device).eval() for each in teachers)
        _check(model, method, data, card, teacher_logits, teachers)
        self.cached = [
            torch.from_numpy(np.asarray(each)).to(self.device) for each in teacher_logits
        ]
        torch.manual_seed(drawn(seed, 0))
        method.prepare(Setup(model, card, len(self.cached), self.teachers, self.device))
        self.extra = {name: each.to(self.device) for name, each in method.modules().items()}
        self.optimiser = adamw([model, *self.extra.values()], params)
        self.weights = weights_of(self.optimiser)

    def step(self, rows: NDArray[np.int64], progress: Progress) -> tuple[Seen, dict[str, Tensor]]:
        """Learn from some examples; returns what was seen and the detached terms.

        Shapes: rows (B,) -> each term (B,).
        """
        torch.manual_seed(drawn(self.seed, 1 + progress.step))
        batch = self.data.batch(rows, self.device)
        with self.precision():
            seen = self.see(batch)
            terms = self.method.loss(seen, progress)
            loss = torch.stack(list(terms.values())).sum(0).mean()
        torch.autograd.backward(loss)
        self.update(step_size(progress.step, progress.steps, self.params))
        return seen, {name: term.detach() for name, term in terms.items()}

    def see(self, batch: Batch) -> Seen:
        """The batch as the student (with gradients) and its teachers (without) see it."""
        student = observe(self.model, batch, self.method.needs)
        rows = torch.from_numpy(batch.rows).to(self.device)
        taught = [Knowledge(logits[rows]) for logits in self.cached]
        if self.method.needs:
            taught = self.inspect(batch, taught)
        return Seen(student, tuple(taught), batch.labels, batch.attention_mask, batch.rows)

    @torch.no_grad()
    def inspect(self, batch: Batch, known: list[Knowledge]) -> list[Knowledge]:
        """Ask the teachers themselves for what goes beyond their cached logits."""
        views = [observe(teacher, batch, self.method.needs) for teacher in self.teachers]
        return [
            Knowledge(cached.logits, view.hidden, view.attention, view.values)
            for cached, view in zip(known, views, strict=True)
        ]

    def update(self, rate: float) -> None:
        """Clip the gradient, move every weight, forget the gradient."""
        torch.nn.utils.clip_grad_norm_(self.weights, self.params.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def precision(self) -> AbstractContextManager[object]:
        """bfloat16 where it pays and is exact enough: CUDA."""
        if self.device.type == "cuda":
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()


def drawn(seed: int, place: int) -> int:
    """A 64-bit seed for one place of a run, unlike that of any other place or run."""
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])


def _check(
    model: PreTrainedModel,
    method: Method,
    data: Encoded,
    card: TaskCard,
    teacher_logits: Sequence[Logits],
    teachers: Sequence[PreTrainedModel],
) -> None:
    if not len(data):
        raise BadInput("There are no training examples.", "Check the task's training data.")
    classes = model.config.num_labels
    if classes != card.classes:
        raise Incompatible(
            f"The student has {classes} outputs, {card.name} has {card.classes}.",
            "Choose a student made for this task.",
        )
    for logits in teacher_logits:
        if logits.shape != (len(data), card.classes):
            raise Incompatible(
                f"A teacher's logits have the shape {logits.shape}, not "
                f"({len(data)}, {card.classes}).",
                "Choose a teacher that was trained on this task.",
            )
        if not np.isfinite(logits).all():
            raise BadInput(
                "A teacher's logits contain NaN or infinity.", "Train the teacher again."
            )
    if method.needs and len(teachers) != len(teacher_logits):
        raise Incompatible(
            f"{len(teacher_logits)} teachers' logits but {len(teachers)} teachers; the method "
            f"also needs their {', '.join(sorted(method.needs))}.",
            "Choose teachers that read the student's tokens.",
        )
