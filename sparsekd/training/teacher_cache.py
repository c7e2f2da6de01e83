"""What teachers show beyond their logits: computed once where it fits, else at every step."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from sparsekd.data import Batch, Encoded, packed
from sparsekd.knowledge.evaluation import TOKENS, TOKENS_ELSEWHERE, eval_mode
from sparsekd.knowledge.observe import InternalState, Knowledge, Needs, observe, reduced_last_layer
from sparsekd.models import architectures

BUDGET = {"cpu": 2 * 2**30}  # bytes that one training may keep of all its teachers
BUDGET_ELSEWHERE = 8 * 2**30
Place = tuple[InternalState, int]


class Recall:
    """One frozen teacher's view of the training data, beyond its logits.

    [CLS] vectors are kept in float32; what has one value per token or pair of tokens is rounded
    to float16, whether it is kept or computed again, so that both give the same training.

    Args:
        budget: Bytes that may be kept; where the whole view does not fit, nothing is.
        hear: Told the examples done and all examples of the one pass.
    """

    def __init__(
        self,
        teacher: PreTrainedModel,
        needs: Needs,
        data: Encoded,
        device: torch.device,
        budget: int,
        hear: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.teacher, self.needs, self.data, self.device = teacher, needs, data, device
        self.heads = architectures.shape(teacher).heads
        self.sizes = {place: self._sizes(*place) for place in self._places()}
        self.bytes = sum(int(sizes.sum()) * _width(kind) for (kind, _), sizes in self.sizes.items())
        self.kept: dict[Place, Tensor] = {}
        if needs and self.bytes <= budget:
            self._fill(hear)

    def view(self, batch: Batch) -> Knowledge:
        """The teacher's view of a batch; its logits are empty, as they are kept elsewhere.

        Shapes: see `Knowledge`.
        """
        found: dict[str, dict[int, Tensor]] = {kind: {} for kind in self.needs}
        fresh = None if self.kept else self._observe(batch)
        for kind, layer in self.sizes:
            if fresh is None:
                found[kind][layer] = self._gather(kind, layer, batch)
            else:
                found[kind][layer] = _rounded(kind, fresh.of(kind)[layer])
        return Knowledge(torch.empty(0, device=self.device), **found)

    def _places(self) -> Iterator[Place]:
        for kind, layers in self.needs.items():
            yield from ((kind, layer) for layer in layers)

    def _shape(self, kind: InternalState, layer: int, length: int) -> tuple[int, ...]:
        """One example's shape in one layer."""
        width = int(self.teacher.config.hidden_size)
        if kind in ("cls", "hidden"):
            return (width,) if kind == "cls" else (length, width)
        heads, size = self.heads[layer - 1], architectures.head_size(self.teacher.config)
        return (heads, length, length if kind != "values" else size)

    def _sizes(self, kind: InternalState, layer: int) -> np.ndarray:
        """Values per training example."""
        one, two = (np.prod(self._shape(kind, layer, length)) for length in (1, 2))
        lengths = self.data.lengths
        if kind in ("attention", "scores"):
            return one * lengths**2
        return one + (two - one) * (lengths - 1)

    @torch.no_grad()
    def _observe(self, batch: Batch) -> Knowledge:
        return observe(self.teacher, batch, self.needs)

    def _fill(self, hear: Callable[[int, int], None]) -> None:
        for place, sizes in self.sizes.items():
            dtype = torch.float32 if place[0] == "cls" else torch.float16
            self.kept[place] = torch.empty(int(sizes.sum()), dtype=dtype, device=self.device)
        self.starts = {place: np.cumsum(sizes) - sizes for place, sizes in self.sizes.items()}
        tokens, done = TOKENS.get(self.device.type, TOKENS_ELSEWHERE), 0
        with eval_mode(self.teacher), reduced_last_layer(self.teacher, self.needs):
            for rows in packed(self.data.lengths, tokens):
                seen = self._observe(self.data.batch(rows, self.device))
                for kind, layer in self.sizes:
                    self._keep(kind, layer, rows, seen.of(kind)[layer])
                done += len(rows)
                hear(done, len(self.data))

    def _keep(self, kind: InternalState, layer: int, rows: np.ndarray, seen: Tensor) -> None:
        for place, row in enumerate(rows):
            self._one(kind, layer, row).copy_(_cut(kind, seen[place], self.data.lengths[row]))

    def _gather(self, kind: InternalState, layer: int, batch: Batch) -> Tensor:
        length = batch.input_ids.shape[1]
        shape = (len(batch), *self._shape(kind, layer, length))
        found = torch.zeros(shape, dtype=torch.float32, device=self.device)
        for place, row in enumerate(batch.rows):
            _cut(kind, found[place], self.data.lengths[row]).copy_(self._one(kind, layer, row))
        return found

    def _one(self, kind: InternalState, layer: int, row: int) -> Tensor:
        """What is kept of one example, in its own shape."""
        start, size = self.starts[kind, layer][row], self.sizes[kind, layer][row]
        flat = self.kept[kind, layer][start : start + size]
        return flat.view(self._shape(kind, layer, int(self.data.lengths[row])))


def _cut(kind: InternalState, one: Tensor, length: int) -> Tensor:
    """The part of one example's tensor that belongs to real tokens."""
    match kind:
        case "cls":
            return one
        case "hidden":
            return one[:length]
        case "values":
            return one[:, :length]
        case _:
            return one[:, :length, :length]


def _rounded(kind: InternalState, seen: Tensor) -> Tensor:
    return seen if kind == "cls" else seen.half().float()


def _width(kind: InternalState) -> int:
    """Bytes per value."""
    return 4 if kind == "cls" else 2
