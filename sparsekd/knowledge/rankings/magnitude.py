"""The norm of each unit's weights: a ranking without data."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from sparsekd.models import architectures

Matrix = NDArray[np.float32]


def rank(teacher: PreTrainedModel) -> tuple[Matrix, Matrix]:
    """Return the L2 norm of the weights of every head and every neuron.

    A head's weights are its rows of query, key and value and its columns of the output
    projection; a neuron's its row of the first and its column of the second matrix.

    Shapes: -> heads (L, H), neurons (L, F).
    """
    heads, neurons = [], []
    for layer in architectures.layers(teacher):
        context = sum(
            (_squares(part.weight, 1) for part in (layer.query, layer.key, layer.value)),
            start=_squares(layer.head_site.weight, 0),
        )
        heads.append(context.view(layer.heads, layer.head_size).sum(dim=1).sqrt())
        ff = _squares(layer.expansion.weight, 1) + _squares(layer.neuron_site.weight, 0)
        neurons.append(ff.sqrt())
    return torch.stack(heads).cpu().numpy(), torch.stack(neurons).cpu().numpy()


def _squares(weight: Tensor, dim: int) -> Tensor:
    return weight.detach().float().square().sum(dim=dim)
