"""Gradients of a model's logits with respect to the gates of heads and neurons, per example.

A gate's gradient is Σ_tokens activation · gradient at the gate site: no gate is multiplied
anywhere, no weight requires a gradient, and the examples of a batch stay separate.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from sparsekd.data import Batch, packed
from sparsekd.errors import BadInput, Cancelled
from sparsekd.models import architectures
from sparsekd.models.gates import Taps, cls_only, frozen, tapped
from sparsekd.models.memory import enough_memory
from sparsekd.system import budgets


@dataclass(frozen=True)
class PassOptions:
    """Batch size, precision and callbacks of a pass over the data.

    `tokens` per batch, padding included; 0 chooses by device, fewer take less memory.
    `on_progress` receives the examples done and their total; the pass ends when `should_stop`
    returns true. bfloat16 suits hardware that is faster at it; it changes a small part of a mask.
    """

    tokens: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    on_progress: Callable[[int, int], None] | None = None
    should_stop: Callable[[], bool] | None = None

    def batches(
        self, lengths: NDArray[np.int64], row_bytes: int, device: torch.device
    ) -> list[NDArray[np.int64]]:
        """Return rows of similar length, few enough for their gradients to fit in memory."""
        most = max(budgets.GRADIENT_BLOCK // row_bytes, 1)
        tokens = self.tokens or budgets.gradient_tokens(device.type)
        return [
            rows[start : start + most]
            for rows in packed(lengths, tokens)
            for start in range(0, len(rows), most)
        ]

    def advance(self, done: int, total: int) -> None:
        """Report progress, and end the pass if that was requested.

        Raises:
            Cancelled: `should_stop` returned true.
        """
        if self.on_progress is not None:
            self.on_progress(done, total)
        if self.should_stop is not None and self.should_stop():
            raise Cancelled("Scoring was cancelled.", "Start it again to score.")


@dataclass(frozen=True)
class GateGradients:
    """A teacher with hooks at its gate sites: first the logits of a batch, then gradients."""

    teacher: PreTrainedModel
    taps: Taps
    options: PassOptions

    def logits(self, batch: Batch) -> Tensor:
        """Return the teacher's logits, to be differentiated by `gradients`.

        Shapes: -> (B, C).
        """
        device = self.teacher.device.type
        low = torch.autocast(device, torch.bfloat16, enabled=self.options.precision == "bfloat16")
        with torch.enable_grad(), low:
            logits: Tensor = self.teacher(**batch.inputs(self.teacher)).logits
        return logits

    def gradients(self, logits: Tensor, seeds: NDArray[Any]) -> Tensor:
        """Differentiate K combinations of the logits by every gate, one backward pass for each.

        Shapes: logits (B, C), seeds (B, K, C) -> (B, K, U).
        Raises:
            BadInput: NaN or infinite derivatives.
        """
        along = torch.from_numpy(seeds).to(logits.device, logits.dtype)
        last = along.shape[1] - 1
        found = [self._one(logits, along[:, k], k < last) for k in range(last + 1)]
        units = torch.stack(found, dim=1)
        if not bool(torch.isfinite(units).all()):
            raise BadInput(
                "The teacher's gradients are NaN or infinite.",
                "It has diverged: train it again with a lower learning rate. If it was scored "
                "in bfloat16, try float32.",
            )
        return units

    def _one(self, logits: Tensor, seed: Tensor, again: bool) -> Tensor:
        gradients = torch.autograd.grad(logits, self.taps.tensors(), seed, retain_graph=again)
        heads, neurons = self.taps.gate_gradients(gradients)
        return torch.cat([*heads, *neurons], dim=1)


@contextmanager
def gate_gradients(teacher: PreTrainedModel, options: PassOptions) -> Iterator[GateGradients]:
    """Record the gate sites of a frozen teacher in eval mode; restore it afterwards.

    Raises:
        Incompatible: layers of different sizes, as after pruning.
    """
    architectures.shape(teacher).grid()
    with ExitStack() as stack:
        stack.enter_context(
            enough_memory("Set fewer tokens in PassOptions, or free memory on the device.")
        )
        stack.callback(teacher.train, teacher.training)
        teacher.eval()
        stack.enter_context(frozen(teacher))
        stack.enter_context(cls_only(teacher))
        yield GateGradients(teacher, stack.enter_context(tapped(teacher)), options)
