"""Run a model from one of its layers on, so that the lower layers are computed once and shared."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.models import architectures


@dataclass(frozen=True)
class Call:
    """The arguments of a layer's call."""

    arguments: tuple[Any, ...]
    named: dict[str, Any]


@contextmanager
def recorded(teacher: PreTrainedModel) -> Iterator[list[Call]]:
    """Record the arguments of every layer in a forward pass inside the block."""
    calls: list[Call] = []

    def record(_block: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        calls.append(Call(arguments, named))

    with ExitStack() as hooks:
        for block in architectures.blocks(teacher):
            hooks.callback(block.register_forward_pre_hook(record, with_kwargs=True).remove)
        yield calls


class _Recorder(nn.Module):
    """A layer that records its arguments and returns its input."""

    call: Call

    def forward(self, *arguments: Any, **named: Any) -> Any:
        self.call = Call(arguments, named)
        return arguments[0]


def first_call(teacher: PreTrainedModel, inputs: dict[str, Tensor]) -> Call:
    """Return the arguments of the bottom layer; no layer is run."""
    recorder = _Recorder()
    with _replaced(teacher, [recorder]):
        teacher(**inputs)
    return recorder.call


class _Constant(nn.Module):
    """A layer that returns a fixed output."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden

    def forward(self, *_arguments: Any, **_named: Any) -> Tensor:
        return self.hidden


@contextmanager
def resumed(teacher: PreTrainedModel, number: int, hidden: Tensor) -> Iterator[None]:
    """Let the model begin at a layer, with that layer's input given.

    The embeddings are still looked up, which costs next to nothing; attention masks, pooler and
    classifier are the model's own.

    Shapes: hidden (B, T, D).
    """
    blocks = architectures.blocks(teacher)
    with _replaced(teacher, [_Constant(hidden), *blocks[number:]]):
        yield


@contextmanager
def _replaced(teacher: PreTrainedModel, members: list[nn.Module]) -> Iterator[None]:
    """Replace the model's layers inside the block."""
    blocks = architectures.blocks(teacher)
    architectures.set_blocks(teacher, nn.ModuleList(members))
    try:
        yield
    finally:
        architectures.set_blocks(teacher, blocks)
