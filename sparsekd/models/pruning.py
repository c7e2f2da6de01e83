"""Physical pruning: a smaller model of the same class, without the masked heads and neurons."""

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.models import architectures
from sparsekd.models.architectures import Layer
from sparsekd.units.shape import UnitMask, check_fit


def prune(model: PreTrainedModel, mask: UnitMask) -> PreTrainedModel:
    """Copy the model without the units that the mask removes; the logits are the gated model's.

    A block that keeps no unit loses its output bias too: its output is LayerNorm(input).

    Shapes: mask.heads (L, H), mask.neurons (L, F), true = kept.
    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code).

    Raises:
        Incompatible: the mask belongs to a model of another shape.
    """
    shape = architectures.shape(model)
    check_fit(shape, tuple(mask.heads.shape), tuple(mask.neurons.shape))
    smaller = copy.deepcopy(model)
    for number, layer in enumerate(architectures.layers(smaller)):
        cut(layer, layer, mask.heads[number], mask.neurons[number])
    return smaller


def cut(whole: Layer, into: Layer, heads: NDArray[np.bool_], neurons: NDArray[np.bool_]) -> None:
    """Copy the kept units of one layer into another of the same model, or into itself.

    Two layers share the matrices of which everything is kept.

    Shapes: heads (H,), neurons (F,), true = kept.
    """
    columns = _chosen(np.repeat(np.asarray(heads, dtype=bool), whole.head_size), whole.head_site)
    _keep_rows(whole.query, into.query, columns)
    _keep_rows(whole.key, into.key, columns)
    _keep_rows(whole.value, into.value, columns)
    _keep_columns(whole.head_site, into.head_site, columns)
    rows = _chosen(np.asarray(neurons, dtype=bool), whole.neuron_site)
    _keep_rows(whole.expansion, into.expansion, rows)
    _keep_columns(whole.neuron_site, into.neuron_site, rows)
    _attend(into, whole.attention.config)


def spare_empty_attention(model: PreTrainedModel) -> None:
    """Use eager attention in layers without heads.

    Fused attention kernels on CUDA refuse empty inputs (pytorch issue 133780).
    """
    for layer in architectures.layers(model):
        if layer.heads == 0:
            _attend(layer, model.config)


def _attend(layer: Layer, config: Any) -> None:
    if layer.heads == 0:
        config = copy.deepcopy(config)
        config._attn_implementation = "eager"
    # Layers read the implementation from here; setattr, as modules type their attributes.
    setattr(layer.attention, "config", config)  # noqa: B010


def resize(linear: nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    """Replace the weights of a linear layer, of another size or without bias, in place."""
    _hold(linear, weight.detach().clone(), None if bias is None else bias.detach().clone())


def _hold(linear: nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    trained = linear.weight.requires_grad
    for name, value in (("weight", weight), ("bias", bias)):
        held = None if value is None else nn.Parameter(value.detach(), trained)
        linear.register_parameter(name, held)
    linear.out_features, linear.in_features = weight.shape


def _chosen(kept: NDArray[Any], linear: nn.Linear) -> Tensor:
    return torch.from_numpy(np.flatnonzero(kept)).to(linear.weight.device)


def _keep_rows(whole: nn.Linear, into: nn.Linear, rows: Tensor) -> None:
    if len(rows) == whole.out_features:
        _hold(into, whole.weight, whole.bias)
        return
    bias = None if whole.bias is None else whole.bias.index_select(0, rows)
    _hold(into, whole.weight.index_select(0, rows), bias)


def _keep_columns(whole: nn.Linear, into: nn.Linear, columns: Tensor) -> None:
    """Keep these columns; without any, the bias goes too."""
    if len(columns) == whole.in_features:
        _hold(into, whole.weight, whole.bias)
        return
    # Five times as fast as indexing with brackets.
    _hold(into, whole.weight.index_select(1, columns), whole.bias if len(columns) else None)
