"""The optimiser step of a method that needs only logits and labels, recorded on CUDA."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import PreTrainedModel

from sparsekd.catalog import families
from sparsekd.data import Batch
from sparsekd.knowledge.observe import Knowledge, observe
from sparsekd.methods.base import BatchOutputs, TrainingProgress
from sparsekd.models import architectures
from sparsekd.models.devices import training_precision
from sparsekd.models.recording import Recorded, Tensors
from sparsekd.training.job import TrainingJob
from sparsekd.training.optimisation import weights_of

Rows = NDArray[np.int64]
WIDTHS = 8  # batches are padded to a multiple of so many tokens: few shapes are recorded
ANY = TrainingProgress(0, 1, 0)  # the loss of a method `by_example` does not depend on it


class RecordedStep:
    """The step of `TrainingStep` on fully labelled batches, with the same result up to rounding.

    At demo size it is 11 times as fast on an H100. A model with dropout is not recorded: a replay
    draws other masks, so that its training ends elsewhere.

    Shapes: teacher_logits (rows of data, N, C), class_weights (C,).
    """

    def __init__(
        self,
        job: TrainingJob,
        teacher_logits: Tensor,
        optimiser: AdamW,
        class_weights: Tensor | None,
    ) -> None:
        self.job, self.teacher_logits, self.optimiser = job, teacher_logits, optimiser
        self.class_weights = class_weights
        self.weights = weights_of(optimiser)
        self.longest = architectures.max_tokens(job.model)
        self.rate = torch.zeros((), device=job.device)
        on_cuda = job.device.type == "cuda"
        for group in optimiser.param_groups:
            group["capturable"] = on_cuda
        self.recorded = Recorded(self._work, job.device, record=on_cuda)

    def run(self, rows: Rows, learning_rate: float) -> tuple[BatchOutputs, dict[str, Tensor]]:
        """Train on some examples; return outputs and loss terms, valid until the next step.

        Shapes: rows (B,) -> each term (B,).
        """
        batch = padded(self.job.data.batch(rows), WIDTHS, self.longest)
        self.rate.fill_(learning_rate)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        names = ("input_ids", "attention_mask", "token_type_ids", "labels")
        inputs = {name: getattr(batch, name) for name in names}
        terms = dict(self.recorded(inputs | {"rows": torch.from_numpy(rows)}))
        student = Knowledge(terms.pop("logits"))
        return BatchOutputs(student, (), batch.labels, batch.attention_mask, rows), terms

    def _work(self, inputs: Tensors) -> Tensors:
        """Return the detached loss terms, and the student's logits as "logits"."""
        job, places = self.job, inputs["rows"]
        own = {name: each for name, each in inputs.items() if name != "rows"}
        batch = Batch(np.zeros(len(places), dtype=np.int64), **own)
        with training_precision(job.device):
            student = observe(job.model, batch)
            taught = tuple(Knowledge(each) for each in self.teacher_logits[places].unbind(1))
            seen = BatchOutputs(
                student,
                taught,
                batch.labels,
                batch.attention_mask,
                batch.rows,
                class_weights=self.class_weights,
            )
            terms = job.method.loss(seen, ANY)
            loss = torch.stack([term.mean() for term in terms.values()]).sum()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.weights, job.params.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        found = {name: term.detach() for name, term in terms.items()}
        return found | {"logits": student.logits.detach()}


def has_dropout(model: PreTrainedModel) -> bool:
    """Return whether some dropout of the model has a rate above 0."""
    layers = any(isinstance(each, nn.Dropout) and each.p for each in model.modules())
    rates = families.find(model.config.model_type).dropouts
    return layers or any(getattr(model.config, name, 0) for name in rates)


def padded(batch: Batch, multiple: int, longest: int) -> Batch:
    """Pad the batch to a multiple of so many tokens, at most `longest`.

    Shapes: (B, T) -> (B, min(⌈T / multiple⌉ · multiple, longest)).
    """
    tokens = batch.input_ids.shape[1]
    more = (0, max(0, min(tokens + -tokens % multiple, longest) - tokens))
    return replace(
        batch,
        input_ids=F.pad(batch.input_ids, more),
        attention_mask=F.pad(batch.attention_mask, more),
        token_type_ids=F.pad(batch.token_type_ids, more),
    )
