"""The plain loops that this program is compared with, on the device of the model."""

import copy
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch.optim import AdamW
from transformers import PreTrainedModel

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Batch, Encoded
from sparsekd.knowledge import Knowledge, observe
from sparsekd.methods.base import BatchOutputs, Method, TrainingProgress
from sparsekd.methods.fine_tuning import FineTuning
from sparsekd.methods.vanilla import Vanilla
from sparsekd.models import architectures
from sparsekd.models.devices import move, training_precision

Rows = NDArray[np.int64]
WIDTH = 128  # tokens to which a plain loop pads
EXAMPLES = 32  # of a plain loop's batch in a pass without training


class PlainTraining:
    """A training loop without cached teacher logits: a teacher runs on every batch again.

    It computes in the precision of this program's own training.

    Args:
        teacher: None for fine-tuning.
        width: Tokens to which every batch is padded; 0 = to its own longest.
    """

    def __init__(
        self,
        teacher: PreTrainedModel | None,
        student: PreTrainedModel,
        data: Encoded,
        params: TrainParams,
        device: torch.device,
        attention: str = "eager",
        width: int = WIDTH,
    ) -> None:
        self.student = move(copy.deepcopy(student), device).train()
        self.teacher = move(copy.deepcopy(teacher), device).eval() if teacher else None
        for model in (self.teacher, self.student):
            if model is not None:
                model.set_attn_implementation(attention)
        self.data, self.params, self.device = data, params, device
        self.width = min(width, architectures.max_tokens(student))
        self.method: Method = FineTuning(FineTuningParams())
        if teacher:
            self.method = Vanilla(VanillaParams())
        self.optimiser = AdamW(self.student.parameters(), lr=params.learning_rate)

    def step(self, rows: Rows) -> None:
        """Take one optimiser step.

        Shapes: rows (B,).
        """
        batch = widened(self.data.batch(rows, self.device), self.width)
        with training_precision(self.device):
            taught = self._taught(batch)
            seen = BatchOutputs(
                observe(self.student, batch), taught, batch.labels, batch.attention_mask, rows
            )
            terms = self.method.loss(seen, TrainingProgress(0, 1, 0))
            loss = torch.stack(list(terms.values())).sum(0).mean()
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.params.clip)
        self.optimiser.step()

    @torch.no_grad()
    def _taught(self, batch: Batch) -> tuple[Knowledge, ...]:
        return (observe(self.teacher, batch),) if self.teacher else ()


@torch.no_grad()
def predict(model: PreTrainedModel, data: Encoded, width: int = WIDTH) -> NDArray[np.float32]:
    """Return the logits by the plain loop: batches of 32 in the data's order, padded to `width`.

    Shapes: -> (N, C), N here the number of examples.
    """
    width = min(width, architectures.max_tokens(model))
    parts = []
    for start in range(0, len(data), EXAMPLES):
        rows = np.arange(start, min(start + EXAMPLES, len(data)))
        batch = widened(data.batch(rows, model.device), width)
        parts.append(model(**batch.inputs(model)).logits.float().cpu())
    logits: NDArray[np.float32] = torch.cat(parts).numpy()
    return logits


def widened(batch: Batch, width: int) -> Batch:
    """Pad the batch to `width` tokens; leave a wider one as it is.

    Shapes: (B, T) -> (B, max(T, width)).
    """
    more = (0, max(0, width - batch.input_ids.shape[1]))
    return replace(
        batch,
        input_ids=F.pad(batch.input_ids, more),
        attention_mask=F.pad(batch.attention_mask, more),
        token_type_ids=F.pad(batch.token_type_ids, more),
    )
