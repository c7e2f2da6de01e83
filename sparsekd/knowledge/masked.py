"""One teacher's logits under many masks, without a model for each of them.

Masks that agree on the bottom layers share their computation: the masks form a tree whose nodes
are masked layers, and equal masks end in the same leaf. There are two strategies. "sliced": node
by node, all texts through a layer that has only the kept units. "stacked": level by level, every
node's texts in one batch through the dense layer, with a gate for each unit and node. Slicing
saves multiplications; stacking saves kernel launches.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.data import Batch, Encoded, packed
from sparsekd.knowledge.mask_tree import Level, Tree
from sparsekd.models import architectures, pruning
from sparsekd.models.gates import cls_only
from sparsekd.models.memory import enough_memory
from sparsekd.models.prefix import Call, first_call, resumed
from sparsekd.system import budgets
from sparsekd.units.shape import ModelShape, UnitMask, check_fit, flops

Array = NDArray[np.float32]
OnProgress = Callable[[int, int], None]
Strategy = Literal["sliced", "stacked"]
# Leaf, rows of the data (N,), logits (N, C).
Leaves = Iterator[tuple[int, NDArray[np.int64], Tensor]]

STATE_BYTES = 512 * 2**20  # of hidden states that the sliced strategy may keep at once
MASKS_PER_PASS = 256
# Tokens that a device could run through a dense layer while it slices and starts one more layer.
# Measured on one CPU thread (hidden size 128 to 384); for GPUs estimated from 1 ms per layer of
# hidden size 384 at 50 TFLOP/s, not measured.
LAYER_START_TOKENS = {"cpu": 120}
LAYER_START_TOKENS_ELSEWHERE = 16384
HINT = "Lower max_length, choose a smaller model, or free memory on the device."


def choose_strategy(dense: ModelShape, tree: Tree, data: Encoded, device: str) -> Strategy:
    """Choose "sliced" where it saves a larger share of work than LAYER_START_TOKENS / tokens."""
    kept, full = tree.shapes(dense)
    tokens = max(round(float(data.lengths.mean())), 1)
    saved = 1 - flops(kept, tokens) / flops(full, tokens)
    start = LAYER_START_TOKENS.get(device, LAYER_START_TOKENS_ELSEWHERE)
    return "sliced" if saved > start / int(data.lengths.sum()) else "stacked"


def predict(
    teacher: PreTrainedModel,
    data: Encoded,
    masks: Sequence[UnitMask],
    on_progress: OnProgress = lambda done, total: None,
    strategy: Strategy | None = None,
) -> Array:
    """Return the teacher's logits under each mask, equal to those of physically pruned models.

    Args:
        on_progress: Receives the number of masks × examples done and their total; an exception
            that it raises ends the pass.
        strategy: By default the one of `choose_strategy`.

    Shapes: -> (M, N, C), M masks, N examples.
    Raises:
        Incompatible: a mask of another shape, or a pruned teacher. Unavailable: memory ran out.
    """
    dense = architectures.shape(teacher)
    for mask in masks:
        check_fit(dense, tuple(mask.heads.shape), tuple(mask.neurons.shape))
    found = np.zeros((len(masks), len(data), dense.classes), dtype=np.float32)
    if not len(masks) or not len(data):
        return found
    strategy = strategy or choose_strategy(dense, Tree.of(masks), data, teacher.device.type)
    shell, done = _structure_copy(teacher), 0
    with enough_memory(HINT), torch.no_grad(), cls_only(shell):
        for part in np.array_split(np.arange(len(masks)), -(-len(masks) // MASKS_PER_PASS)):
            tree = Tree.of([masks[place] for place in part])
            for leaf, rows, logits in _STRATEGIES[strategy](teacher, shell, data, tree):
                places = part[np.asarray(tree.ends) == leaf]
                found[np.ix_(places, rows)] = logits.float().cpu().numpy()
                done += len(places) * len(rows)
                on_progress(done, len(masks) * len(data))
    return found


def _structure_copy(teacher: PreTrainedModel) -> PreTrainedModel:
    """Copy the model's modules around the same weight tensors, in eval mode."""
    shared = {id(weight): weight for weight in (*teacher.parameters(), *teacher.buffers())}
    shell = copy.deepcopy(teacher, shared)
    shell.eval()
    return shell


# --- sliced ------------------------------------------------------------------------------------


def _sliced(teacher: PreTrainedModel, shell: PreTrainedModel, data: Encoded, tree: Tree) -> Leaves:
    """Compute one leaf after another, depth first, with as many texts as memory holds."""
    for batches in _chunks(teacher, data):
        calls = [first_call(shell, batch.inputs(shell)) for batch in batches]
        path = _Path(architectures.layers(teacher), shell, tree, calls)
        rows = np.concatenate([batch.rows for batch in batches])
        firsts = _concatenated([_firsts(shell, batch) for batch in batches])
        for leaf, hidden in path.below(0, 0, [call.arguments[0] for call in calls]):
            yield leaf, rows, _logits(shell, firsts, hidden)


def _chunks(teacher: PreTrainedModel, data: Encoded) -> Iterator[list[Batch]]:
    """Yield lists of batches whose hidden states, one for each layer, fit into memory together."""
    each = 4 * teacher.config.hidden_size * (len(architectures.blocks(teacher)) + 1)
    batches: list[Batch] = []
    for rows in packed(data.lengths, _token_budget(teacher)):
        batches.append(data.batch(rows, teacher.device))
        if sum(batch.input_ids.numel() for batch in batches) * each > STATE_BYTES:
            yield batches
            batches = []
    if batches:
        yield batches


@dataclass(frozen=True)
class _Path:
    """A depth-first traversal of a tree: only the layers on the current path are sliced."""

    dense: list[architectures.Layer]
    shell: PreTrainedModel
    tree: Tree
    calls: list[Call]

    def below(self, number: int, parent: int, hidden: list[Tensor]) -> Iterator[tuple[int, Tensor]]:
        """Yield every leaf above a node, with its texts' last hidden states of [CLS].

        Shapes: hidden[b] (B, T, D) -> (N, 1, D).
        """
        level, block = self.tree.levels[number], architectures.blocks(self.shell)[number]
        into = architectures.layers(self.shell)[number]
        for node in level.children(parent):
            pruning.cut(self.dense[number], into, level.heads[node], level.neurons[node])
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
    """Compute some texts at a time, level by level under all masks at once."""
    blocks, layers = architectures.blocks(shell), architectures.layers(shell)
    budget = max(_token_budget(shell) // len(tree.levels[-1].parents), 1)
    for rows in packed(data.lengths, budget):
        batch = data.batch(rows, shell.device)
        call = first_call(shell, batch.inputs(shell))
        hidden, nodes = call.arguments[0][None], 1
        for level, block, layer in zip(tree.levels, blocks, layers, strict=True):
            hidden, nodes = hidden[level.parents], len(level.parents)
            arguments = [_repeated(each, nodes) for each in call.arguments[1:]]
            named = {name: _repeated(each, nodes) for name, each in call.named.items()}
            with _gated(layer, level):
                after = block(hidden.flatten(0, 1), *arguments, **named)
            hidden = after.view(nodes, len(rows), *after.shape[1:])
        firsts = _concatenated([_firsts(shell, batch)] * nodes)
        logits = _logits(shell, firsts, hidden.flatten(0, 1)[:, :1])
        for leaf, answers in enumerate(logits.view(nodes, len(rows), -1)):
            yield leaf, rows, answers


def _repeated(value: Any, times: int) -> Any:
    """Repeat a layer's argument once for each node; leave other values as they are."""
    return value.repeat(times, *[1] * (value.ndim - 1)) if isinstance(value, Tensor) else value


@contextmanager
def _gated(layer: architectures.Layer, level: Level) -> Iterator[None]:
    """Multiply the inputs of the two sites by each node's gates, as `models.gates.gated` does."""
    with ExitStack() as hooks:
        for site, flags, columns in (
            (layer.head_site, level.heads, layer.head_size),
            (layer.neuron_site, level.neurons, 1),
        ):
            if not flags.all():
                spread = torch.from_numpy(flags.repeat(columns, axis=1)).to(site.weight)
                hooks.callback(site.register_forward_pre_hook(_gate_input(spread)).remove)
            if site.bias is not None and not flags.any(axis=1).all():
                empty = torch.from_numpy(~flags.any(axis=1)).to(site.weight)
                hooks.callback(site.register_forward_hook(_without_bias(empty)).remove)
        yield


def _gate_input(gates: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Shapes: gates (P, W), input (P · B, T, W)."""

    def close(_site: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        by_node = inputs[0].view(len(gates), -1, *inputs[0].shape[1:])
        return ((by_node * gates[:, None, None]).flatten(0, 1), *inputs[1:])

    return close


def _without_bias(empty: Tensor) -> Callable[[nn.Linear, tuple[Tensor, ...], Tensor], Tensor]:
    """Shapes: empty (P,), 1 where a node keeps no unit; output (P · B, T, D)."""

    def subtract_bias(site: nn.Linear, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        by_node = output.view(len(empty), -1, *output.shape[1:])
        return (by_node - empty[:, None, None, None] * site.bias).flatten(0, 1)

    return subtract_bias


_STRATEGIES: dict[Strategy, Callable[..., Leaves]] = {"sliced": _sliced, "stacked": _stacked}


# --- shared ------------------------------------------------------------------------------------


def _token_budget(model: PreTrainedModel) -> int:
    return budgets.tokens(model.device.type)


def _firsts(model: PreTrainedModel, batch: Batch) -> dict[str, Tensor]:
    """Return the model's inputs restricted to each text's first token."""
    return {name: ids[:, :1] for name, ids in batch.inputs(model).items()}


def _concatenated(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _logits(model: PreTrainedModel, firsts: dict[str, Tensor], hidden: Tensor) -> Tensor:
    """Return the logits from the last hidden states of [CLS].

    Shapes: hidden (R, 1, D) -> (R, C), R pairs of text and mask.
    """
    with resumed(model, len(architectures.blocks(model)), hidden):
        logits: Tensor = model(**firsts).logits
    return logits
