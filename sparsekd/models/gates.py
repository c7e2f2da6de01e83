"""Gates as hooks: mask units, record activations, compute only what [CLS] needs.

All are context managers that restore the model, also after an error, and can be nested: inner
ones see the activations that outer ones have gated.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.models import architectures
from sparsekd.units.shape import check_fit


class UnitGates(Protocol):
    """One gate per unit: a mask (true = open) or differentiable values (1 = open)."""

    @property
    def heads(self) -> Any: ...

    @property
    def neurons(self) -> Any: ...


@dataclass(frozen=True)
class Gates:
    """Differentiable gates, for derivatives and finite differences.

    Shapes: heads (L, H), neurons (L, F).
    """

    heads: Tensor
    neurons: Tensor

    @classmethod
    def open(cls, model: PreTrainedModel) -> "Gates":
        """Return gates of ones in the model's precision and on its device, without gradient."""
        layers, heads, neurons = architectures.shape(model).grid()
        like = architectures.classifier(model).weight.detach()
        return cls(like.new_ones(layers, heads), like.new_ones(layers, neurons))


@dataclass
class Taps:
    """The inputs of the two gate sites in the last forward pass, layer by layer.

    Shapes: heads[l] (B, T, H_l · head size), neurons[l] (B, T, F_l).
    """

    head_size: int
    heads: list[Tensor] = field(default_factory=list)
    neurons: list[Tensor] = field(default_factory=list)

    def tensors(self) -> list[Tensor]:
        """Return all taps, the heads' first, to differentiate by."""
        return [*self.heads, *self.neurons]

    @torch.no_grad()
    def gate_gradients(
        self, gradients: tuple[Tensor, ...] | list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the gates' gradients from the taps', per example: Σ_tokens activation · gradient.

        Args:
            gradients: In the order of `tensors()`.

        Shapes: -> heads[l] (B, H_l), neurons[l] (B, F_l).
        """
        products = [
            (tap * gradient).sum(dim=1)
            for tap, gradient in zip(self.tensors(), gradients, strict=True)
        ]
        contexts, neurons = products[: len(self.heads)], products[len(self.heads) :]
        size = self.head_size
        heads = [each.reshape(len(each), -1, size).sum(dim=2) for each in contexts]
        return heads, neurons


@contextmanager
def gated(model: PreTrainedModel, gates: UnitGates) -> Iterator[None]:
    """Multiply every head's context and every neuron's activation by its gate.

    A layer whose heads (neurons) are all closed loses the output bias of that block too, so
    that the block's output is LayerNorm(input), as if it had been removed.

    Shapes: gates.heads (L, H), gates.neurons (L, F).

    Raises:
        Incompatible: the gates belong to a model of another shape.
    """
    shape = architectures.shape(model)
    check_fit(shape, tuple(gates.heads.shape), tuple(gates.neurons.shape))
    with ExitStack() as hooks:
        for number, layer in enumerate(architectures.layers(model)):
            head_gates = _values(gates.heads[number])
            _close(hooks, layer.head_site, head_gates, layer.head_size)
            _close(hooks, layer.neuron_site, _values(gates.neurons[number]), 1)
        yield


@contextmanager
def tapped(model: PreTrainedModel) -> Iterator[Taps]:
    """Record the inputs of the two gate sites of each layer, anew at each forward pass.

    Where nothing below a tap requires a gradient (see `frozen`), the tap becomes a leaf that
    does: `torch.autograd.grad(loss, taps.tensors())` then stops there.
    """
    found = architectures.layers(model)
    taps = Taps(architectures.head_size(model.config))

    def clear(_module: nn.Module, _inputs: Any) -> None:
        taps.heads.clear()
        taps.neurons.clear()

    with ExitStack() as hooks:
        _enter(hooks, model.base_model.register_forward_pre_hook(clear))
        for layer in found:
            _enter(hooks, layer.head_site.register_forward_pre_hook(_keep(taps.heads)))
            _enter(hooks, layer.neuron_site.register_forward_pre_hook(_keep(taps.neurons)))
        yield taps


@contextmanager
def cls_only(model: PreTrainedModel) -> Iterator[None]:
    """Compute the last layer, beyond its attention, for the [CLS] row alone.

    The logits do not change; the last hidden state then has one row.
    """
    last = architectures.layers(model)[-1]
    with ExitStack() as hooks:
        for module in last.cls_cuts:
            # First of all hooks, so that gates and taps see the one row too.
            _enter(hooks, module.register_forward_pre_hook(_first_row, prepend=True))
        yield


@contextmanager
def frozen(model: PreTrainedModel) -> Iterator[None]:
    """Turn off the gradients of all weights inside the block, and restore them afterwards."""
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        for weight in trainable:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in trainable:
            weight.requires_grad_(True)


def _enter(hooks: ExitStack, handle: torch.utils.hooks.RemovableHandle) -> None:
    hooks.callback(handle.remove)


def _values(row: Tensor | NDArray[Any]) -> Tensor:
    return row if isinstance(row, Tensor) else torch.from_numpy(np.ascontiguousarray(row))


def _close(hooks: ExitStack, site: nn.Linear, gates: Tensor, columns: int) -> None:
    """Add one layer's gates to one site; a mask that keeps every unit needs no hook."""
    if gates.dtype == torch.bool and bool(gates.all()) and gates.numel():
        return
    spread = gates.repeat_interleave(columns)

    def multiply(_site: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (inputs[0] * spread.to(inputs[0]), *inputs[1:])

    _enter(hooks, site.register_forward_pre_hook(multiply))
    if not bool((gates != 0).any()):
        _enter(hooks, site.register_forward_hook(_without_bias))


def _without_bias(site: nn.Linear, inputs: tuple[Tensor, ...], _output: Tensor) -> Tensor:
    return F.linear(inputs[0], site.weight)


def _keep(into: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    def keep(_site: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        tap = inputs[0]
        if torch.is_grad_enabled() and not tap.requires_grad:
            tap = tap.detach().requires_grad_()
        into.append(tap)
        return (tap, *inputs[1:])

    return keep


def _first_row(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Keep the first token. Shapes: (…, T, D) -> (…, 1, D), also with axes before the batch's."""
    return tuple(each[..., :1, :] for each in inputs)
