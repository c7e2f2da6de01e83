"""A cache of a teacher's internal states: filled once if they fit in memory, else not at all."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from sparsekd.data import Batch, Encoded, packed
from sparsekd.knowledge.evaluation import eval_mode
from sparsekd.knowledge.observe import InternalState, Knowledge, Needs, observe, reduced_last_layer
from sparsekd.models import architectures
from sparsekd.models.devices import full_precision
from sparsekd.system import budgets

LayerState = tuple[InternalState, int]
"""An internal state and the layer that it is of."""


class TeacherCache:
    """The internal states of one frozen teacher on the training data, without its logits.

    [CLS] vectors are cached in float32; states with one value per token or pair of tokens are
    rounded to float16, whether they are cached or computed again, so that both give the same
    training.

    Args:
        budget: Bytes that may be cached; if all states together do not fit, none is.
        on_progress: Receives the examples done and all examples while the cache is filled.
    """

    def __init__(
        self,
        teacher: PreTrainedModel,
        needs: Needs,
        data: Encoded,
        device: torch.device,
        budget: int,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.teacher, self.needs, self.data, self.device = teacher, needs, data, device
        self.heads = architectures.shape(teacher).heads
        self.sizes: dict[LayerState, NDArray[np.int64]] = {
            (state, layer): self._sizes(state, layer)
            for state, layers in needs.items()
            for layer in layers
        }
        self.bytes = sum(
            int(sizes.sum()) * _value_bytes(state) for (state, _), sizes in self.sizes.items()
        )
        self.cached: dict[LayerState, Tensor] = {}
        if needs and self.bytes <= budget:
            self._fill(on_progress)

    def knowledge(self, batch: Batch) -> Knowledge:
        """Return the teacher's internal states on a batch, with empty logits.

        Shapes: see `Knowledge`.
        """
        states: dict[str, dict[int, Tensor]] = {state: {} for state in self.needs}
        computed = None if self.cached else self._observe(batch)
        for state, layer in self.sizes:
            if computed is None:
                states[state][layer] = self._gather(state, layer, batch)
            else:
                states[state][layer] = _rounded(state, computed.of(state)[layer])
        return Knowledge(torch.empty(0, device=self.device), **states)

    def _shape(self, state: InternalState, layer: int, length: int) -> tuple[int, ...]:
        """Return the shape of one example's state in one layer."""
        width = int(self.teacher.config.hidden_size)
        if state in ("cls", "hidden"):
            return (width,) if state == "cls" else (length, width)
        heads, size = self.heads[layer - 1], architectures.head_size(self.teacher.config)
        return (heads, length, length if state != "values" else size)

    def _sizes(self, state: InternalState, layer: int) -> NDArray[np.int64]:
        """Return the number of values of each training example."""
        one, two = (np.prod(self._shape(state, layer, length)) for length in (1, 2))
        lengths = self.data.lengths
        if state in ("attention", "scores"):
            return one * lengths**2
        return one + (two - one) * (lengths - 1)

    @torch.no_grad()
    def _observe(self, batch: Batch) -> Knowledge:
        # Not in the autocast of a training step: as exact as what is cached.
        with full_precision(self.device):
            return observe(self.teacher, batch, self.needs)

    def _fill(self, on_progress: Callable[[int, int], None]) -> None:
        for key, sizes in self.sizes.items():
            dtype = torch.float32 if key[0] == "cls" else torch.float16
            self.cached[key] = torch.empty(int(sizes.sum()), dtype=dtype, device=self.device)
        self.starts = {key: np.cumsum(sizes) - sizes for key, sizes in self.sizes.items()}
        tokens, done = budgets.tokens(self.device.type), 0
        with eval_mode(self.teacher), reduced_last_layer(self.teacher, self.needs):
            for rows in packed(self.data.lengths, tokens):
                computed = self._observe(self.data.batch(rows, self.device))
                for state, layer in self.sizes:
                    self._store(state, layer, rows, computed.of(state)[layer])
                done += len(rows)
                on_progress(done, len(self.data))

    def _store(
        self, state: InternalState, layer: int, rows: NDArray[np.int64], values: Tensor
    ) -> None:
        for index, row in enumerate(rows):
            real = _without_padding(state, values[index], self.data.lengths[row])
            self._example(state, layer, row).copy_(real)

    def _gather(self, state: InternalState, layer: int, batch: Batch) -> Tensor:
        length = batch.input_ids.shape[1]
        shape = (len(batch), *self._shape(state, layer, length))
        gathered = torch.zeros(shape, dtype=torch.float32, device=self.device)
        for index, row in enumerate(batch.rows):
            real = _without_padding(state, gathered[index], self.data.lengths[row])
            real.copy_(self._example(state, layer, row))
        return gathered

    def _example(self, state: InternalState, layer: int, row: int) -> Tensor:
        """Return a view of the cached state of one example, in its own shape."""
        start, size = self.starts[state, layer][row], self.sizes[state, layer][row]
        flat = self.cached[state, layer][start : start + size]
        return flat.view(self._shape(state, layer, int(self.data.lengths[row])))


def _without_padding(state: InternalState, values: Tensor, length: int) -> Tensor:
    """Return a view of the part of one example's state that belongs to real tokens."""
    match state:
        case "cls":
            return values
        case "hidden":
            return values[:length]
        case "values":
            return values[:, :length]
        case _:
            return values[:, :length, :length]


def _rounded(state: InternalState, values: Tensor) -> Tensor:
    return values if state == "cls" else values.half().float()


def _value_bytes(state: InternalState) -> int:
    return 4 if state == "cls" else 2
