"""Remove closed heads and neurons for good: a smaller model of the same class."""

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.costs import UnitMask, check_fit
from sparsekd.models import architectures
from sparsekd.models.architectures import Layer


def prune(model: PreTrainedModel, mask: UnitMask) -> PreTrainedModel:
    """A copy of the model without the units that the mask closes; its forward is unchanged.

    A block that keeps no unit loses its output bias too: its output is LayerNorm(input), as in
    the gated model, whose logits the copy gives.

    Shapes: mask.heads (L, H), mask.neurons (L, F), true = kept.
    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code).

    Raises:
        Incompatible: the mask belongs to a model of another shape.
    """
    shape = architectures.shape(model)
    check_fit(shape, tuple(mask.heads.shape), tuple(mask.neurons.shape))
    smaller = copy.deepcopy(model)
    for number, layer in enumerate(architectures.layers(smaller)):
        _keep_heads(layer, np.asarray(mask.heads[number], dtype=bool))
        _keep_neurons(layer, np.asarray(mask.neurons[number], dtype=bool))
    spare_empty_attention(smaller)
    return smaller


def spare_empty_attention(model: PreTrainedModel) -> None:
    """Let layers without heads compute their nothing step by step.

    Fused attention kernels on CUDA refuse empty inputs (pytorch issue 133780).
    """
    for layer in architectures.layers(model):
        if layer.heads == 0:
            config = copy.deepcopy(model.config)
            config._attn_implementation = "eager"
            # These layers read the choice from here; setattr, as modules type their attributes.
            setattr(layer.attention, "config", config)  # noqa: B010


def resize(linear: nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    """Give a linear layer other weights, of another size or without bias, in place."""
    trained = linear.weight.requires_grad
    for name, value in (("weight", weight), ("bias", bias)):
        held = None if value is None else nn.Parameter(value.detach().clone(), trained)
        linear.register_parameter(name, held)
    linear.out_features, linear.in_features = weight.shape


def _keep_heads(layer: Layer, kept: NDArray[np.bool_]) -> None:
    columns = _chosen(np.repeat(kept, layer.head_size), layer.head_site)
    for projection in (layer.query, layer.key, layer.value):
        _keep_rows(projection, columns)
    _keep_columns(layer.head_site, columns)


def _keep_neurons(layer: Layer, kept: NDArray[np.bool_]) -> None:
    columns = _chosen(kept, layer.neuron_site)
    _keep_rows(layer.expansion, columns)
    _keep_columns(layer.neuron_site, columns)


def _chosen(kept: NDArray[Any], linear: nn.Linear) -> Tensor:
    return torch.from_numpy(np.flatnonzero(kept)).to(linear.weight.device)


def _keep_rows(linear: nn.Linear, rows: Tensor) -> None:
    resize(linear, linear.weight[rows], None if linear.bias is None else linear.bias[rows])


def _keep_columns(linear: nn.Linear, columns: Tensor) -> None:
    """Nothing kept leaves no output bias either."""
    resize(linear, linear.weight[:, columns], linear.bias if len(columns) else None)
