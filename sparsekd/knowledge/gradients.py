"""Gradients of a model's logits by the gates of its heads and neurons, for each example.

A gate's gradient is Σ_tokens activation · gradient at the gate site: no gate is multiplied
anywhere, no weight asks for a gradient, and the examples of a batch stay apart.
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

TOKENS = 1024  # best on processors: what a batch computes stays in the cache
TOKENS_ELSEWHERE = 8192
BLOCK = 256 * 2**20  # bytes that the gradients of one batch may take


@dataclass(frozen=True)
class Pace:
    """How a pass over the data runs, and who hears of it.

    `tokens` per batch, padding included: 0 is what suits the device, fewer take less memory.
    `report` hears the examples done and all examples; when `stop` answers yes, the pass ends.
    bfloat16 is for hardware that is faster at it; it changes a small part of a mask.
    """

    tokens: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    report: Callable[[int, int], None] | None = None
    stop: Callable[[], bool] | None = None

    def batches(
        self, lengths: NDArray[np.int64], row_bytes: int, device: torch.device
    ) -> list[NDArray[np.int64]]:
        """Rows of similar length together, few enough for their gradients to fit in memory."""
        most = max(BLOCK // row_bytes, 1)
        tokens = self.tokens or (TOKENS if device.type == "cpu" else TOKENS_ELSEWHERE)
        return [
            rows[start : start + most]
            for rows in packed(lengths, tokens)
            for start in range(0, len(rows), most)
        ]

    def told(self, done: int, total: int) -> None:
        """Report progress, and end if somebody asked for it.

        Raises:
            Cancelled: `stop` answered yes.
        """
        if self.report is not None:
            self.report(done, total)
        if self.stop is not None and self.stop():
            raise Cancelled("Scoring was stopped.", "Start it again when you like.")


@dataclass(frozen=True)
class Watch:
    """A teacher whose gate sites are watched: first the logits of a batch, then gradients."""

    teacher: PreTrainedModel
    taps: Taps
    pace: Pace

    def logits(self, batch: Batch) -> Tensor:
        """The teacher's logits, to be differentiated by `gradients`.

        Shapes: -> (B, C).
        """
        device = self.teacher.device.type
        low = torch.autocast(device, torch.bfloat16, enabled=self.pace.precision == "bfloat16")
        with torch.enable_grad(), low:
            logits: Tensor = self.teacher(**batch.inputs(self.teacher)).logits
        return logits

    def gradients(self, logits: Tensor, seeds: NDArray[Any]) -> Tensor:
        """Derivatives of K combinations of the logits by every gate, one backward pass for each.

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
def watched(teacher: PreTrainedModel, pace: Pace) -> Iterator[Watch]:
    """Watch the gate sites of a frozen teacher in eval mode; afterwards it is as before.

    Raises:
        Incompatible: layers of different sizes, as after pruning.
    """
    architectures.shape(teacher).grid()
    with ExitStack() as stack:
        stack.enter_context(enough_memory("Give Pace fewer tokens, or free memory on the device."))
        stack.callback(teacher.train, teacher.training)
        teacher.eval()
        stack.enter_context(frozen(teacher))
        stack.enter_context(cls_only(teacher))
        yield Watch(teacher, stack.enter_context(tapped(teacher)), pace)
