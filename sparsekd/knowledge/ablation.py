"""Remove units one by one and see what the logits become, sharing what lies below the removal.

One pass over a batch keeps each layer's input. To remove units of a layer, that layer is run on
the kept input up to the matrix behind its units, once for all removals; what the removed units
add to that matrix's output is taken off, one copy for each removal; and only what lies above
is run on the copies. The logits are those of the gated model (`models.gates.gated`).
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
Hear = Callable[[int, int, float], None]

TOKENS = 2048  # on processors, of all copies together: what a layer computes stays in the cache
TOKENS_ELSEWHERE = 65536
HINT = "Lower max_length, choose a smaller model, or free memory on the device."


@dataclass(frozen=True)
class Removal:
    """Heads, or neurons, of one layer that are removed together; all counted from 0."""

    layer: int
    kind: Literal["head", "neuron"]
    units: tuple[int, ...]


class Kept(Protocol):
    """Logits of earlier batches, for a pass that goes on where another one stopped.

    Shapes: rows (B,), logits (B, 1 + R, C), R removals.
    """

    def get(self, rows: Rows) -> Array | None:
        """The logits of exactly these rows; None where they are not kept."""

    def put(self, rows: Rows, logits: Array) -> None:
        """Keep the logits of these rows."""


def single_heads(grid: tuple[int, int, int]) -> list[Removal]:
    """Every head alone, layer by layer."""
    layers, heads, _ = grid
    return [Removal(layer, "head", (head,)) for layer in range(layers) for head in range(heads)]


def neuron_groups(groups: NDArray[Any]) -> list[Removal]:
    """Every group of neurons alone, layer by layer.

    Shapes: groups (L, F), the number of each neuron's group.
    """
    return [
        Removal(layer, "neuron", tuple(np.flatnonzero(row == group).tolist()))
        for layer, row in enumerate(groups)
        for group in range(int(groups.max()) + 1)
    ]


def single_neurons(layer: int, neurons: int) -> list[Removal]:
    """Every neuron of one layer alone."""
    return [Removal(layer, "neuron", (neuron,)) for neuron in range(neurons)]


def ablate(
    teacher: PreTrainedModel,
    encoded: Encoded,
    removals: Sequence[Removal],
    kept: Kept | None = None,
    hear: Hear = lambda done, total, eta: None,
) -> Array:
    """The logits of the whole teacher, then those after each removal.

    Args:
        hear: Is told after every few removals how many examples × removals are done, of how
            many, and the seconds left; what it raises ends the pass.

    Shapes: -> (N, 1 + R, C), N here the number of examples, R removals.
    Raises:
        Incompatible: a pruned teacher. Unavailable: memory ran out.
    """
    shape = architectures.shape(teacher)
    _, heads, _ = shape.grid()
    found = np.zeros((len(encoded), 1 + len(removals), shape.classes), dtype=np.float32)
    room = TOKENS if teacher.device.type == "cpu" else TOKENS_ELSEWHERE
    tally = _Tally(len(encoded) * len(removals), hear)
    with enough_memory(HINT), torch.no_grad(), _at_rest(teacher):
        for rows in packed(encoded.lengths, max(room // heads, 1)):
            known = kept.get(rows) if kept else None
            if known is None:
                known = _batch(teacher, encoded.batch(rows, teacher.device), removals, room, tally)
                if kept:
                    kept.put(rows, known)
            else:
                tally.skip(len(rows) * len(removals))
            found[rows] = known
    return found


@dataclass
class _Tally:
    """What is done of a pass, and how long the rest will take at the pace so far."""

    total: int
    hear: Hear
    done: int = 0
    computed: int = 0

    def __post_init__(self) -> None:
        self.start = time.monotonic()

    def skip(self, number: int) -> None:
        """So many were known already."""
        self.done += number

    def add(self, number: int) -> None:
        """So many more are computed."""
        self.done += number
        self.computed += number
        each = (time.monotonic() - self.start) / self.computed
        self.hear(self.done, self.total, each * (self.total - self.done))


def _batch(
    teacher: PreTrainedModel,
    batch: Batch,
    removals: Sequence[Removal],
    room: int,
    tally: _Tally,
) -> Array:
    """Shapes: -> (B, 1 + R, C)."""
    with recorded(teacher) as calls:
        dense = teacher(**batch.inputs(teacher)).logits
    logits = dense.new_empty((1 + len(removals), *dense.shape))
    logits[0] = dense
    most = max(room // batch.input_ids.numel(), 1)
    for places in _together(removals, most):
        part = [removals[place] for place in places]
        logits[1 + places] = _removed(teacher, batch, calls[part[0].layer], part)
        tally.add(len(part) * len(batch))
    by_example: Array = logits.float().transpose(0, 1).cpu().numpy()
    return by_example


def _together(removals: Sequence[Removal], most: int) -> Iterator[NDArray[np.int64]]:
    """Places of removals behind one and the same matrix, at most so many at a time."""

    def behind(place: int) -> tuple[int, str]:
        return removals[place].layer, removals[place].kind

    for _, places in groupby(sorted(range(len(removals)), key=behind), behind):
        chosen = np.fromiter(places, dtype=np.int64)
        yield from np.array_split(chosen, -(-len(chosen) // most))


def _removed(teacher: PreTrainedModel, batch: Batch, call: Call, part: list[Removal]) -> Tensor:
    """The logits after each of some removals behind one matrix.

    Shapes: -> (R, B, C).
    """
    number = part[0].layer
    with _taken_off(architectures.layers(teacher)[number], part):
        copies = architectures.blocks(teacher)[number](*call.arguments, **call.named)
    repeated = {name: ids.repeat(len(part), 1) for name, ids in batch.inputs(teacher).items()}
    with resumed(teacher, number + 1, copies.flatten(0, 1)):
        logits: Tensor = teacher(**repeated).logits
    return logits.view(len(part), len(batch), -1)


# --- what is done to the model, and undone -----------------------------------------------------


@contextmanager
def _at_rest(teacher: PreTrainedModel) -> Iterator[None]:
    """Without dropout, and the last layer for [CLS] alone; afterwards as before."""
    with ExitStack() as stack:
        stack.callback(teacher.train, teacher.training)
        teacher.eval()
        stack.enter_context(cls_only(teacher))
        yield


@contextmanager
def _taken_off(layer: architectures.Layer, part: list[Removal]) -> Iterator[None]:
    """Let the matrix behind the units answer once for each removal, without the removed units.

    The copies are a new first axis: the rest of the layer, which adds the one residual to each
    of them, carries it along. Where all units go, the output bias goes too, as with gates.

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
    """The columns of some units: a view where there is one unit, otherwise a copy."""
    if len(units) == 1:
        return slice(units[0] * each, (units[0] + 1) * each)
    first = torch.tensor(units, device=device)[:, None] * each
    return (first + torch.arange(each, device=device)).flatten()
