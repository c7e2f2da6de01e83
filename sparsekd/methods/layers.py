"""What methods that match layers share: depths, and maps between different widths."""

from collections.abc import Iterable

from torch import nn
from transformers import PreTrainedModel

from sparsekd.methods.base import Setup
from sparsekd.models import architectures


def depth(model: PreTrainedModel) -> int:
    """How many layers a model has."""
    return len(architectures.blocks(model))


def maps_between(setup: Setup, layers: Iterable[int]) -> nn.ModuleDict:
    """A learned linear map of each layer from the student's width to the first teacher's.

    Empty where the widths are equal: nothing needs a map then.
    """
    student, teacher = (
        int(model.config.hidden_size) for model in (setup.student, setup.teachers[0])
    )
    if student == teacher:
        return nn.ModuleDict()
    return nn.ModuleDict({str(layer): nn.Linear(student, teacher) for layer in layers})
