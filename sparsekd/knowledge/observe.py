"""One model's view of one batch: only what was asked for, and never silently less."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.data import Batch
from sparsekd.errors import Incompatible, unknown
from sparsekd.models import architectures

KINDS = ("hidden", "attention", "values")


@dataclass(frozen=True)
class Knowledge:
    """What a model knows of a batch; a kind that was not asked for is an empty tuple.

    `hidden` begins with the embeddings' output; `attention` are probabilities after the softmax
    (in training after their dropout, too); `values` are the heads' value vectors.

    Shapes: logits (B, C); hidden L + 1 times (B, T, D); attention L times (B, H, T, T); values
    L times (B, H, T, D / H).
    """

    logits: Tensor
    hidden: tuple[Tensor, ...] = ()
    attention: tuple[Tensor, ...] = ()
    values: tuple[Tensor, ...] = ()


def observe(model: PreTrainedModel, batch: Batch, needs: frozenset[str] = frozenset()) -> Knowledge:
    """Run the model on a batch and keep the logits and what `needs` names.

    Raises:
        NotFound: a need is not one of "hidden", "attention", "values".
        Incompatible: the model does not give what was asked for.
    """
    for need in needs.difference(KINDS):
        raise unknown("kind of knowledge", need, KINDS)
    with _values(model, "values" in needs) as values:
        seen = model(
            **batch.inputs(model),
            output_hidden_states="hidden" in needs,
            output_attentions="attention" in needs,
        )
    depth = len(architectures.blocks(model)) if needs else 0
    return Knowledge(
        logits=seen.logits.float(),
        hidden=_complete("hidden", seen.hidden_states, depth + 1) if "hidden" in needs else (),
        attention=_complete("attention", seen.attentions, depth) if "attention" in needs else (),
        values=tuple(values),
    )


@contextmanager
def showing(models: Iterable[PreTrainedModel], needs: frozenset[str]) -> Iterator[None]:
    """Let the models compute attention so that it can be read, if `needs` names it.

    Fused attention (sdpa) is faster, but keeps no probabilities and does not say so.
    """
    before = [(model, model.config._attn_implementation) for model in models]
    try:
        for model, _ in before if "attention" in needs else ():
            model.set_attn_implementation("eager")
        yield
    finally:
        for model, implementation in before:
            model.set_attn_implementation(implementation)


def _complete(kind: str, found: tuple[Tensor, ...] | None, count: int) -> tuple[Tensor, ...]:
    tensors = tuple(each for each in found or () if each is not None)
    if len(tensors) != count:
        raise Incompatible(
            f"The model gave {kind} of {len(tensors)} layers, not of {count}.",
            'Set its attention to "eager": fused attention keeps no probabilities.'
            if kind == "attention"
            else "Choose a method that does not need it.",
        )
    return tensors


@contextmanager
def _values(model: PreTrainedModel, wanted: bool) -> Iterator[list[Tensor]]:
    """Collect the value projections of one forward pass, split by head."""
    found: list[Tensor] = []
    with ExitStack() as hooks:
        for layer in architectures.layers(model) if wanted else ():
            size = layer.head_size

            def keep(_site: nn.Module, _inputs: Any, out: Tensor, size: int = size) -> None:
                heads = out.shape[-1] // size
                found.append(out.view(*out.shape[:2], heads, size).transpose(1, 2))

            hooks.callback(layer.value.register_forward_hook(keep).remove)
        yield found
