"""Run a model from one of its layers on: what lies below is computed once, and shared."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.models import architectures


@dataclass(frozen=True)
class Call:
    """What a layer was called with."""

    arguments: tuple[Any, ...]
    named: dict[str, Any]


@contextmanager
def recorded(teacher: PreTrainedModel) -> Iterator[list[Call]]:
    """Keep what every layer is called with in the pass inside."""
    calls: list[Call] = []

    def record(_block: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        calls.append(Call(arguments, named))

    with ExitStack() as hooks:
        for block in architectures.blocks(teacher):
            hooks.callback(block.register_forward_pre_hook(record, with_kwargs=True).remove)
        yield calls


class _Asked(nn.Module):
    """A layer that keeps what it was called with and hands its input on."""

    call: Call

    def forward(self, *arguments: Any, **named: Any) -> Any:
        self.call = Call(arguments, named)
        return arguments[0]


def first_call(teacher: PreTrainedModel, inputs: dict[str, Tensor]) -> Call:
    """What the bottom layer is called with; no layer is run."""
    asked = _Asked()
    with _instead(teacher, [asked]):
        teacher(**inputs)
    return asked.call


class _Given(nn.Module):
    """A layer that answers with what it was given, whatever it is asked."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden

    def forward(self, *_arguments: Any, **_named: Any) -> Tensor:
        return self.hidden


@contextmanager
def resumed(teacher: PreTrainedModel, number: int, hidden: Tensor) -> Iterator[None]:
    """Let the model begin at a layer, with that layer's input given.

    The embeddings are looked up once more, which costs next to nothing; masks, pooler and
    classifier stay the model's own business.

    Shapes: hidden (B, T, D).
    """
    blocks = architectures.blocks(teacher)
    with _instead(teacher, [_Given(hidden), *blocks[number:]]):
        yield


@contextmanager
def _instead(teacher: PreTrainedModel, members: list[nn.Module]) -> Iterator[None]:
    """Other layers instead of the model's own."""
    stack, _, name = architectures.of(teacher).layers.rpartition(".")
    parent, blocks = teacher.base_model.get_submodule(stack), architectures.blocks(teacher)
    setattr(parent, name, nn.ModuleList(members))
    try:
        yield
    finally:
        setattr(parent, name, blocks)
