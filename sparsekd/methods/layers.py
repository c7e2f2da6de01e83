"""Depths of models and maps between their widths, for methods that match layers."""

from collections.abc import Iterable

from torch import nn
from transformers import PreTrainedModel

from sparsekd.methods.base import Setup
from sparsekd.models import architectures


def num_layers(model: PreTrainedModel) -> int:
    """Return the number of layers of a model."""
    return len(architectures.blocks(model))


def linear_maps(setup: Setup, layers: Iterable[int]) -> nn.ModuleDict:
    """Return a learned linear map for each layer, from the student's width to the teacher's.

    The result is empty where the widths are equal.
    """
    student, teacher = (
        int(model.config.hidden_size) for model in (setup.student, setup.teachers[0])
    )
    if student == teacher:
        return nn.ModuleDict()
    return nn.ModuleDict({str(layer): nn.Linear(student, teacher) for layer in layers})
