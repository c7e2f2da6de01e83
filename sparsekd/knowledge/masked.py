"""One teacher's logits under many masks, without a model for each of them.

Masks that agree on the bottom layers share what these compute: the masks form a tree whose nodes
are layers as they are run, and equal masks end in the same leaf. The tree is gone through in one
of two ways. "sliced": node after node, all texts through a layer that has only the kept units.
"stacked": level after level, every node's texts side by side through the whole layer, with a gate
for each unit and node. Slicing spares multiplications; stacking spares starts.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.data import Batch, Encoded, packed
from sparsekd.knowledge.evaluation import TOKENS, TOKENS_ELSEWHERE
from sparsekd.models import architectures, pruning
from sparsekd.models.gates import cls_only
from sparsekd.models.memory import enough_memory
from sparsekd.models.prefix import Call, first_call, resumed
from sparsekd.units.shape import ModelShape, UnitMask, check_fit, flops

Array = NDArray[np.float32]
Hear = Callable[[int, int], None]
Way = Literal["sliced", "stacked"]
# Leaf, rows of the data (N,), logits (N, C).
Leaves = Iterator[tuple[int, NDArray[np.int64], Tensor]]

STATES = 512 * 2**20  # bytes of hidden states that the sliced way may keep on its way down
ABREAST = 256  # masks that the stacked way takes together
# Whole-layer tokens that a device could compute while it slices and starts one more layer.
# Measured on one processor thread (128 to 384 columns); for GPUs reckoned from 1 ms a layer of
# 384 columns at 50 TFLOP/s, not measured.
START = {"cpu": 120}
START_ELSEWHERE = 16384
HINT = "Lower max_length, choose a smaller model, or free memory on the device."


@dataclass(frozen=True)
class Level:
    """How one layer is run, once for each node: on what, and with which units.

    Shapes: parents (P,) the nodes of the level below, heads (P, H), neurons (P, F), P nodes.
    """

    parents: list[int]
    heads: NDArray[np.bool_]
    neurons: NDArray[np.bool_]

    def children(self, parent: int) -> list[int]:
        """The nodes that go on from a node of the level below."""
        return [node for node, below in enumerate(self.parents) if below == parent]


@dataclass(frozen=True)
class Tree:
    """The levels, bottom first, and the top node in which each mask ends."""

    levels: list[Level]
    ends: list[int]

    @classmethod
    def of(cls, masks: Sequence[UnitMask]) -> "Tree":
        """Masks apart from the first layer on which they differ."""
        below, levels = [0] * len(masks), []
        for number in range(len(masks[0].heads)):
            keys = [
                (node, mask.heads[number].tobytes(), mask.neurons[number].tobytes())
                for node, mask in zip(below, masks, strict=True)
            ]
            different = dict(zip(keys, masks, strict=True))
            nodes = {key: node for node, key in enumerate(different)}
            levels.append(
                Level(
                    [key[0] for key in nodes],
                    np.stack([mask.heads[number] for mask in different.values()]),
                    np.stack([mask.neurons[number] for mask in different.values()]),
                )
            )
            below = [nodes[key] for key in keys]
        return cls(levels, below)

    def shapes(self, whole: ModelShape) -> tuple[ModelShape, ModelShape]:
        """All nodes in one pile, with the kept units and with all of them: what is to compute."""
        _, heads, neurons = whole.grid()
        kept_heads = [int(row.sum()) for level in self.levels for row in level.heads]
        kept_neurons = [int(row.sum()) for level in self.levels for row in level.neurons]
        nodes = len(kept_heads)
        return (
            replace(whole, heads=tuple(kept_heads), neurons=tuple(kept_neurons)),
            replace(whole, heads=(heads,) * nodes, neurons=(neurons,) * nodes),
        )


def fastest(whole: ModelShape, tree: Tree, data: Encoded, device: str) -> Way:
    """Slice where the share of multiplications that this spares exceeds START / tokens."""
    kept, full = tree.shapes(whole)
    tokens = max(round(float(data.lengths.mean())), 1)
    spared = 1 - flops(kept, tokens) / flops(full, tokens)
    enough = START.get(device, START_ELSEWHERE) / int(data.lengths.sum())
    return "sliced" if spared > enough else "stacked"


def predict(
    teacher: PreTrainedModel,
    data: Encoded,
    masks: Sequence[UnitMask],
    hear: Hear = lambda done, total: None,
    way: Way | None = None,
) -> Array:
    """The teacher's logits under each mask, as physically pruned models would give them.

    Args:
        hear: Is told how many of all mask × example are done; what it raises ends the pass.
        way: The fastest by `fastest` where none is said.

    Shapes: -> (M, N, C), M masks, N examples.
    Raises:
        Incompatible: a mask of another shape, or a pruned teacher. Unavailable: memory ran out.
    """
    whole = architectures.shape(teacher)
    for mask in masks:
        check_fit(whole, tuple(mask.heads.shape), tuple(mask.neurons.shape))
    found = np.zeros((len(masks), len(data), whole.classes), dtype=np.float32)
    if not len(masks) or not len(data):
        return found
    way = way or fastest(whole, Tree.of(masks), data, teacher.device.type)
    shell, done = _shell(teacher), 0
    with enough_memory(HINT), torch.no_grad(), cls_only(shell):
        for part in np.array_split(np.arange(len(masks)), -(-len(masks) // ABREAST)):
            tree = Tree.of([masks[place] for place in part])
            for leaf, rows, logits in _WAYS[way](teacher, shell, data, tree):
                places = part[np.asarray(tree.ends) == leaf]
                found[np.ix_(places, rows)] = logits.float().cpu().numpy()
                done += len(places) * len(rows)
                hear(done, len(masks) * len(data))
    return found


def _shell(teacher: PreTrainedModel) -> PreTrainedModel:
    """A copy of the model's structure around the very same weights, without dropout."""
    shared = {id(weight): weight for weight in (*teacher.parameters(), *teacher.buffers())}
    return copy.deepcopy(teacher, shared).eval()


# --- sliced ------------------------------------------------------------------------------------


def _sliced(teacher: PreTrainedModel, shell: PreTrainedModel, data: Encoded, tree: Tree) -> Leaves:
    """Down to each leaf in turn, with as many texts as memory holds on the way."""
    for batches in _chunks(teacher, data):
        calls = [first_call(shell, batch.inputs(shell)) for batch in batches]
        path = _Path(architectures.layers(teacher), shell, tree, calls)
        rows = np.concatenate([batch.rows for batch in batches])
        firsts = _together([_firsts(shell, batch) for batch in batches])
        for leaf, hidden in path.below(0, 0, [call.arguments[0] for call in calls]):
            yield leaf, rows, _answers(shell, firsts, hidden)


def _chunks(teacher: PreTrainedModel, data: Encoded) -> Iterator[list[Batch]]:
    """Batches whose hidden states, one for each layer, fit into memory together."""
    each = 4 * teacher.config.hidden_size * (len(architectures.blocks(teacher)) + 1)
    batches: list[Batch] = []
    for rows in packed(data.lengths, _room(teacher)):
        batches.append(data.batch(rows, teacher.device))
        if sum(batch.input_ids.numel() for batch in batches) * each > STATES:
            yield batches
            batches = []
    if batches:
        yield batches


@dataclass(frozen=True)
class _Path:
    """The way down a tree: only the layers on it are sliced at any time."""

    whole: list[architectures.Layer]
    shell: PreTrainedModel
    tree: Tree
    calls: list[Call]

    def below(self, number: int, parent: int, hidden: list[Tensor]) -> Iterator[tuple[int, Tensor]]:
        """Every leaf below a node, with its texts' last states of [CLS].

        Shapes: hidden[b] (B, T, D) -> (N, 1, D).
        """
        level, block = self.tree.levels[number], architectures.blocks(self.shell)[number]
        into = architectures.layers(self.shell)[number]
        for node in level.children(parent):
            pruning.cut(self.whole[number], into, level.heads[node], level.neurons[node])
            after = [
                block(states, *call.arguments[1:], **call.named)
                for states, call in zip(hidden, self.calls, strict=True)
            ]
            if number + 1 == len(self.tree.levels):
                yield node, torch.cat([states[:, :1] for states in after])
            else:
                yield from self.below(number + 1, node, after)


# --- stacked -----------------------------------------------------------------------------------


def _stacked(_: PreTrainedModel, shell: PreTrainedModel, data: Encoded, tree: Tree) -> Leaves:
    """Some texts at a time, up through the levels under all masks at once."""
    blocks, layers = architectures.blocks(shell), architectures.layers(shell)
    for rows in packed(data.lengths, max(_room(shell) // len(tree.levels[-1].parents), 1)):
        batch = data.batch(rows, shell.device)
        call = first_call(shell, batch.inputs(shell))
        hidden = call.arguments[0][None]
        for level, block, layer in zip(tree.levels, blocks, layers, strict=True):
            hidden, nodes = hidden[level.parents], len(level.parents)
            arguments = [_repeated(each, nodes) for each in call.arguments[1:]]
            named = {name: _repeated(each, nodes) for name, each in call.named.items()}
            with _gated(layer, level):
                after = block(hidden.flatten(0, 1), *arguments, **named)
            hidden = after.view(nodes, len(rows), *after.shape[1:])
        firsts = _together([_firsts(shell, batch)] * nodes)
        logits = _answers(shell, firsts, hidden.flatten(0, 1)[:, :1])
        for leaf, answers in enumerate(logits.view(nodes, len(rows), -1)):
            yield leaf, rows, answers


def _repeated(value: Any, times: int) -> Any:
    """Whatever a layer is told of each text, once for each node."""
    return value.repeat(times, *[1] * (value.ndim - 1)) if isinstance(value, Tensor) else value


@contextmanager
def _gated(layer: architectures.Layer, level: Level) -> Iterator[None]:
    """Multiply what passes the two sites by each node's gates, as `models.gates.gated` does."""
    with ExitStack() as hooks:
        for site, flags, columns in (
            (layer.head_site, level.heads, layer.head_size),
            (layer.neuron_site, level.neurons, 1),
        ):
            if not flags.all():
                spread = torch.from_numpy(flags.repeat(columns, axis=1)).to(site.weight)
                hooks.callback(site.register_forward_pre_hook(_closing(spread)).remove)
            if site.bias is not None and not flags.any(axis=1).all():
                empty = torch.from_numpy(~flags.any(axis=1)).to(site.weight)
                hooks.callback(site.register_forward_hook(_without_bias(empty)).remove)
        yield


def _closing(gates: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Shapes: gates (P, W), input (P · B, T, W)."""

    def close(_site: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        by_node = inputs[0].view(len(gates), -1, *inputs[0].shape[1:])
        return ((by_node * gates[:, None, None]).flatten(0, 1), *inputs[1:])

    return close


def _without_bias(empty: Tensor) -> Callable[[nn.Linear, tuple[Tensor, ...], Tensor], Tensor]:
    """Shapes: empty (P,), 1 where a node keeps no unit; output (P · B, T, D)."""

    def take_off(site: nn.Linear, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        by_node = output.view(len(empty), -1, *output.shape[1:])
        return (by_node - empty[:, None, None, None] * site.bias).flatten(0, 1)

    return take_off


_WAYS: dict[Way, Callable[..., Leaves]] = {"sliced": _sliced, "stacked": _stacked}


# --- shared ------------------------------------------------------------------------------------


def _room(model: PreTrainedModel) -> int:
    return TOKENS.get(model.device.type, TOKENS_ELSEWHERE)


def _firsts(model: PreTrainedModel, batch: Batch) -> dict[str, Tensor]:
    """What the model is told of each text's first token alone."""
    return {name: ids[:, :1] for name, ids in batch.inputs(model).items()}


def _together(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _answers(model: PreTrainedModel, firsts: dict[str, Tensor], hidden: Tensor) -> Tensor:
    """The logits that follow from the last states of [CLS].

    Shapes: hidden (R, 1, D) -> (R, C), R texts under masks.
    """
    with resumed(model, len(architectures.blocks(model)), hidden):
        logits: Tensor = model(**firsts).logits
    return logits
