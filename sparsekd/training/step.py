"""One optimiser step: what student and teachers see, what the method makes of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Batch, Encoded, bucketed
from sparsekd.errors import BadInput, Incompatible
from sparsekd.knowledge.evaluation import Logits, eval_mode
from sparsekd.knowledge.observe import Knowledge, observe
from sparsekd.methods.base import BatchOutputs, Method, Setup, TrainingProgress
from sparsekd.tasks import TaskCard
from sparsekd.training.optimisation import adamw, step_size, weights_of
from sparsekd.training.teacher_cache import BUDGET, BUDGET_ELSEWHERE, Recall


class Lesson:
    """A student, a method and N teachers at work on one task's training data.

    Every random draw of a step depends on the seed and the step's place alone, so that a
    resumed run needs no generator's state.

    Args:
        teacher_logits: One array per teacher, row by row for `data`: computed once, since a
            teacher in evaluation mode answers the same at every epoch.
        teachers: The models, only where the method looks inside them; they must read the
            student's tokens.
        selection_rows: Examples of the selection split.
        hear: Told the examples done and all examples of the pass over the data in which each
            teacher's inner states are kept.

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
        selection_rows: int = 1,
        hear: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.device = torch.device(device)
        self.model, self.method, self.data = model.to(self.device), method, data
        self.params, self.seed = params, seed
        self.per_epoch = -(-len(data) // params.batch_size)
        self.teachers = tuple(each.to(self.device).eval() for each in teachers)
        _check(model, method, data, card, teacher_logits, teachers)
        # One array for all teachers: however many there are, a batch costs one gather.
        self.cached = torch.from_numpy(
            np.stack([np.asarray(each, dtype=np.float32) for each in teacher_logits], axis=1)
            if teacher_logits
            else np.zeros((len(data), 0, card.classes), dtype=np.float32)
        ).to(self.device)
        torch.manual_seed(drawn(seed, 0))
        method.prepare(
            Setup(
                model, card, len(teacher_logits), self.teachers, self.device,
                steps=self.per_epoch * params.epochs, rows=len(data),
                selection_rows=selection_rows, batch_size=params.batch_size,
            )
        )  # fmt: skip
        self.recalls = self.remember(hear)
        self.extra = {name: each.to(self.device) for name, each in method.modules().items()}
        self.optimiser = adamw([model, *self.extra.values()], params)
        self.weights = weights_of(self.optimiser)

    def remember(self, hear: Callable[[int, int], None]) -> list[Recall]:
        """What the method asks of each teacher beyond logits, kept where all of it fits."""
        needs = self.method.teacher_needs
        budget = BUDGET.get(self.device.type, BUDGET_ELSEWHERE) // max(1, len(self.teachers))
        return [
            Recall(teacher, needs, self.data, self.device, budget, hear)
            for teacher in (self.teachers if needs else ())
        ]

    def step(
        self, rows: NDArray[np.int64], progress: TrainingProgress
    ) -> tuple[BatchOutputs, dict[str, Tensor]]:
        """Learn from some examples; returns what was seen and the detached terms.

        Shapes: rows (B,) -> each term (B,).
        """
        torch.manual_seed(self.chance(progress))
        batch = self.data.batch(rows, self.device)
        with self.precision():
            seen = self.see(batch)
            terms = self.method.loss(seen, progress)
            loss = torch.stack(list(terms.values())).sum(0).mean()
        torch.autograd.backward(loss)
        self.update(step_size(progress.step, progress.steps, self.params))
        return seen, {name: term.detach() for name, term in terms.items()}

    def chance(self, progress: TrainingProgress) -> int:
        """The seed of one step; the course that counts draws as if there were no other."""
        if progress.episode == self.method.training_episodes:
            return drawn(self.seed, 1 + progress.step)
        return drawn(self.seed, 1 + progress.step, 1 + progress.episode)

    def order(self, epoch: int, course: int) -> list[NDArray[np.int64]]:
        """The batches of one epoch; the course that counts sees those of every other method."""
        rehearsal = [] if course == self.method.training_episodes else [1 + course]
        rng = np.random.default_rng([self.seed, epoch, *rehearsal])
        return bucketed(self.data.lengths, self.params.batch_size, rng)

    def see(self, batch: Batch) -> BatchOutputs:
        """The batch as the student (with gradients) and its teachers (without) see it."""
        return self.beside(observe(self.model, batch, self.method.student_needs), batch)

    def beside(self, student: Knowledge, batch: Batch) -> BatchOutputs:
        """What the student knows of a batch, with what its teachers know of it."""
        logits = self.cached[torch.from_numpy(batch.rows).to(self.device)].unbind(1)
        taught = [Knowledge(each) for each in logits]
        for number, recall in enumerate(self.recalls):
            taught[number] = replace(recall.view(batch), logits=logits[number])
        return BatchOutputs(student, tuple(taught), batch.labels, batch.attention_mask, batch.rows)

    @torch.no_grad()
    def review(self, rows: NDArray[np.int64]) -> BatchOutputs:
        """Some training examples as student and teachers see them now, without dropout."""
        with eval_mode(self.model), self.precision():
            return self.see(self.data.batch(rows, self.device))

    def examine(self, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
        """What the method tells about some training examples, row by row of a table."""
        told: list[dict[str, Any]] = []
        for start in range(
            0, len(rows) if self.method.inspects_examples else 0, self.params.batch_size
        ):
            told += self.method.inspect_examples(
                self.review(rows[start : start + self.params.batch_size])
            )
        return told

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


def drawn(seed: int, *place: int) -> int:
    """A 64-bit seed for one place of a run, unlike that of any other place or run."""
    return int(np.random.SeedSequence([seed, *place]).generate_state(1, np.uint64)[0])


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
    if method.reads_layers and len(teachers) != len(teacher_logits):
        raise Incompatible(
            f"{len(teacher_logits)} teachers' logits but {len(teachers)} teachers; the method "
            "also looks inside them.",
            "Choose teachers that read the student's tokens.",
        )
