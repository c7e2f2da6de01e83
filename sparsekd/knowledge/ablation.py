"""Logits after removing single units or groups; layers below the removal are computed once.

One pass over a batch records each layer's input. To remove units of a layer, that layer is run on
the recorded input up to the matrix behind its units, once for all removals; what the removed units
add to that matrix's output is subtracted, one copy for each removal; and only the layers above are
run on the copies. The logits are those of the gated model (`models.gates.gated`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.data import Batch, Encoded, packed
from sparsekd.models import architectures
from sparsekd.models.gates import cls_only
from sparsekd.models.memory import enough_memory
from sparsekd.models.prefix import Call, recorded, resumed

Array = NDArray[np.float32]
Rows = NDArray[np.int64]
OnProgress = Callable[[int, int, float], None]

TOKENS = 2048  # on a CPU, of all copies together: a layer's activations stay in its cache
TOKENS_ELSEWHERE = 65536
HINT = "Lower max_length, choose a smaller model, or free memory on the device."


@dataclass(frozen=True)
class Removal:
    """Heads, or neurons, of one layer that are removed together; all counted from 0."""

    layer: int
    kind: Literal["head", "neuron"]
    units: tuple[int, ...]


class LogitsCache(Protocol):
    """Logits of finished batches, from which an interrupted pass resumes.

    Shapes: rows (B,), logits (B, 1 + R, C), R removals.
    """

    def get(self, rows: Rows) -> Array | None:
        """Return the logits of exactly these rows; None where they are not cached."""

    def put(self, rows: Rows, logits: Array) -> None:
        """Store the logits of these rows."""


def single_heads(grid: tuple[int, int, int]) -> list[Removal]:
    """Return one removal per head, layer by layer."""
    layers, heads, _ = grid
    return [Removal(layer, "head", (head,)) for layer in range(layers) for head in range(heads)]


def neuron_groups(groups: NDArray[Any]) -> list[Removal]:
    """Return one removal per group of neurons, layer by layer.

    Shapes: groups (L, F), the number of each neuron's group.
    """
    return [
        Removal(layer, "neuron", tuple(np.flatnonzero(row == group).tolist()))
        for layer, row in enumerate(groups)
        for group in range(int(groups.max()) + 1)
    ]


def single_neurons(layer: int, neurons: int) -> list[Removal]:
    """Return one removal per neuron of one layer."""
    return [Removal(layer, "neuron", (neuron,)) for neuron in range(neurons)]


def ablate(
    teacher: PreTrainedModel,
    encoded: Encoded,
    removals: Sequence[Removal],
    cache: LogitsCache | None = None,
    on_progress: OnProgress = lambda done, total, eta: None,
) -> Array:
    """Return the logits of the dense teacher, then those after each removal.

    Args:
        on_progress: Receives the number of examples × removals done, their total and the
            seconds left; an exception that it raises ends the pass.

    Shapes: -> (N, 1 + R, C), N here the number of examples, R removals.
    Raises:
        Incompatible: a pruned teacher. Unavailable: memory ran out.
    """
    shape = architectures.shape(teacher)
    _, heads, _ = shape.grid()
    found = np.zeros((len(encoded), 1 + len(removals), shape.classes), dtype=np.float32)
    token_budget = TOKENS if teacher.device.type == "cpu" else TOKENS_ELSEWHERE
    progress = _Progress(len(encoded) * len(removals), on_progress)
    with enough_memory(HINT), torch.no_grad(), _eval_cls_only(teacher):
        for rows in packed(encoded.lengths, max(token_budget // heads, 1)):
            known = cache.get(rows) if cache else None
            if known is None:
                batch = encoded.batch(rows, teacher.device)
                known = _batch(teacher, batch, removals, token_budget, progress)
                if cache:
                    cache.put(rows, known)
            else:
                progress.skip(len(rows) * len(removals))
            found[rows] = known
    return found


@dataclass
class _Progress:
    """Progress of a pass, and the seconds left at the speed so far."""

    total: int
    on_progress: OnProgress
    done: int = 0
    computed: int = 0

    def __post_init__(self) -> None:
        self.start = time.monotonic()

    def skip(self, number: int) -> None:
        """Count removals that were cached."""
        self.done += number

    def add(self, number: int) -> None:
        """Count removals that were computed, and report."""
        self.done += number
        self.computed += number
        each = (time.monotonic() - self.start) / self.computed
        self.on_progress(self.done, self.total, each * (self.total - self.done))


def _batch(
    teacher: PreTrainedModel,
    batch: Batch,
    removals: Sequence[Removal],
    token_budget: int,
    progress: _Progress,
) -> Array:
    """Shapes: -> (B, 1 + R, C)."""
    with recorded(teacher) as calls:
        dense = teacher(**batch.inputs(teacher)).logits
    logits = dense.new_empty((1 + len(removals), *dense.shape))
    logits[0] = dense
    most = max(token_budget // batch.input_ids.numel(), 1)
    for places in _grouped(removals, most):
        part = [removals[place] for place in places]
        logits[1 + places] = _removed(teacher, batch, calls[part[0].layer], part)
        progress.add(len(part) * len(batch))
    by_example: Array = logits.float().transpose(0, 1).cpu().numpy()
    return by_example


def _grouped(removals: Sequence[Removal], most: int) -> Iterator[NDArray[np.int64]]:
    """Yield indices of removals behind the same matrix, at most `most` at a time."""

    def behind(place: int) -> tuple[int, str]:
        return removals[place].layer, removals[place].kind

    for _, places in groupby(sorted(range(len(removals)), key=behind), behind):
        chosen = np.fromiter(places, dtype=np.int64)
        yield from np.array_split(chosen, -(-len(chosen) // most))


def _removed(teacher: PreTrainedModel, batch: Batch, call: Call, part: list[Removal]) -> Tensor:
    """Return the logits after each of some removals behind one matrix.

    Shapes: -> (R, B, C).
    """
    number = part[0].layer
    with _without_units(architectures.layers(teacher)[number], part):
        copies = architectures.blocks(teacher)[number](*call.arguments, **call.named)
    repeated = {name: ids.repeat(len(part), 1) for name, ids in batch.inputs(teacher).items()}
    with resumed(teacher, number + 1, copies.flatten(0, 1)):
        logits: Tensor = teacher(**repeated).logits
    return logits.view(len(part), len(batch), -1)


# --- temporary changes to the model ------------------------------------------------------------


@contextmanager
def _eval_cls_only(teacher: PreTrainedModel) -> Iterator[None]:
    """Turn dropout off and compute the last layer for [CLS] alone; restore both afterwards."""
    with ExitStack() as stack:
        stack.callback(teacher.train, teacher.training)
        teacher.eval()
        stack.enter_context(cls_only(teacher))
        yield


@contextmanager
def _without_units(layer: architectures.Layer, part: list[Removal]) -> Iterator[None]:
    """Repeat the output of the matrix behind the units per removal, without the removed units.

    The copies are a new first axis, which the rest of the layer broadcasts over: it adds the same
    residual to each. Where all units are removed, so is the output bias, as with gates.

    Shapes: output (B, T, D) -> (R, B, T, D).
    """
    heads = part[0].kind == "head"
    site, each = (layer.head_site, layer.head_size) if heads else (layer.neuron_site, 1)
    units = layer.heads if heads else layer.neurons

    def copies(site: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        found = output.new_zeros((len(part), *output.shape))
        for copy, removal in zip(found, part, strict=True):
            if len(removal.units) < units:
                columns = _columns(removal.units, each, output.device)
                weight = site.weight[:, columns]
                torch.sub(output, F.linear(inputs[0][..., columns], weight), out=copy)
        return found

    handle = site.register_forward_hook(copies)
    try:
        yield
    finally:
        handle.remove()


def _columns(units: tuple[int, ...], each: int, device: torch.device) -> slice | Tensor:
    """Return the columns of some units: a slice for one unit, otherwise an index tensor."""
    if len(units) == 1:
        return slice(units[0] * each, (units[0] + 1) * each)
    first = torch.tensor(units, device=device)[:, None] * each
    return (first + torch.arange(each, device=device)).flatten()
