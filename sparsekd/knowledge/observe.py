"""Logits and internal states of one model on one batch: exactly what was requested."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.data import Batch
from sparsekd.errors import Incompatible, unknown
from sparsekd.models import architectures
from sparsekd.models.devices import full_precision
from sparsekd.models.gates import cls_only

InternalState = Literal["cls", "hidden", "attention", "scores", "values"]
INTERNAL_STATES: tuple[InternalState, ...] = ("cls", "hidden", "attention", "scores", "values")
STATES_OF_HEADS = ("attention", "scores", "values")
Needs = Mapping[InternalState, tuple[int, ...]]
"""Layers by internal state; 1 is the bottom layer, 0 the embeddings' output."""
Layers = Mapping[int, Tensor]


@dataclass(frozen=True)
class Knowledge:
    """Logits and internal states of a batch, by layer (1 = bottom); only those requested.

    `cls` and `hidden` may also hold layer 0, the embeddings' output. `attention` are the
    probabilities before any dropout, `scores` the same before the softmax, with padded keys left
    as they are; `values` are the heads' value vectors.

    Shapes: logits (B, C); cls[k] (B, D); hidden[k] (B, T, D); attention[k], scores[k]
    (B, H, T, T); values[k] (B, H, T, D / H).
    """

    logits: Tensor
    cls: Layers = field(default_factory=dict)
    hidden: Layers = field(default_factory=dict)
    attention: Layers = field(default_factory=dict)
    scores: Layers = field(default_factory=dict)
    values: Layers = field(default_factory=dict)

    def of(self, state: InternalState) -> Layers:
        """Return the layers of one internal state by its name."""
        found: Layers = getattr(self, state)
        return found


def observe(model: PreTrainedModel, batch: Batch, needs: Needs | None = None) -> Knowledge:
    """Run the model on a batch and return the logits and the states that `needs` names.

    Attention is computed from hooked query and key projections: the model itself may use fused
    attention, which returns no probabilities. What is returned is float32; in the bfloat16 of a
    training the products of queries and keys are too, the layers before them are not.

    Raises:
        NotFound: an unknown internal state.
        Incompatible: a layer that the model does not have, or that has no heads.
    """
    needs = needs or {}
    _check(model, needs)
    inside = bool(needs.get("cls") or needs.get("hidden"))
    with _projections(model, needs) as passed:
        seen = model(**batch.inputs(model), output_hidden_states=inside)
    states = seen.hidden_states if inside else ()
    return Knowledge(
        logits=seen.logits.float(),
        cls={layer: states[layer][:, 0].float() for layer in needs.get("cls", ())},
        hidden={layer: states[layer].float() for layer in needs.get("hidden", ())},
        **_of_heads(model, passed, batch.attention_mask, needs),
    )


@contextmanager
def reduced_last_layer(model: PreTrainedModel, needs: Needs) -> Iterator[None]:
    """Compute the last layer for [CLS] alone where its other hidden states are not needed."""
    with ExitStack() as around:
        if len(architectures.blocks(model)) not in needs.get("hidden", ()):
            around.enter_context(cls_only(model))
        yield


def check_states(names: Mapping[Any, Any]) -> None:
    """Refuse an unknown internal state.

    Raises:
        NotFound: with the nearest name.
    """
    for name in set(names).difference(INTERNAL_STATES):
        raise unknown("internal state", str(name), INTERNAL_STATES)


def _check(model: PreTrainedModel, needs: Needs) -> None:
    check_states(needs)
    if not needs:
        return
    layers = architectures.layers(model)
    for state, wanted in needs.items():
        for layer in wanted:
            if not int(state in STATES_OF_HEADS) <= layer <= len(layers):
                raise Incompatible(
                    f"There is no layer {layer}: the model has {len(layers)}.",
                    "Choose fewer layers, or a deeper model.",
                )
            if state in STATES_OF_HEADS and not layers[layer - 1].heads:
                raise Incompatible(
                    f"Layer {layer} has no heads left, so it has no {state}.",
                    "Choose a lower sparsity for the heads, or a method that uses no attention.",
                )


@contextmanager
def _projections(model: PreTrainedModel, needs: Needs) -> Iterator[dict[tuple[str, int], Tensor]]:
    """Record query, key and value projections of the needed layers in one forward pass."""
    found: dict[tuple[str, int], Tensor] = {}
    related = {*needs.get("attention", ()), *needs.get("scores", ())}
    wanted = [(role, layer) for layer in sorted(related) for role in ("query", "key")]
    wanted += [("value", layer) for layer in needs.get("values", ())]
    layers = architectures.layers(model) if wanted else []
    with ExitStack() as hooks:
        for role, layer in wanted:
            site: nn.Linear = getattr(layers[layer - 1], role)
            size = layers[layer - 1].head_size

            def record(
                _site: nn.Module,
                _inputs: Any,
                out: Tensor,
                place: tuple[str, int] = (role, layer),
                size: int = size,
            ) -> None:
                split = out.view(*out.shape[:2], out.shape[-1] // size, size)
                found[place] = split.transpose(1, 2)

            hooks.callback(site.register_forward_hook(record).remove)
        yield found


def _of_heads(
    model: PreTrainedModel, passed: dict[tuple[str, int], Tensor], mask: Tensor, needs: Needs
) -> dict[str, Layers]:
    scale = architectures.head_size(model.config) ** -0.5 if passed else 1.0
    related = {*needs.get("attention", ()), *needs.get("scores", ())}
    with full_precision(mask.device):
        scores = {
            layer: passed["query", layer].float() @ passed["key", layer].float().mT * scale
            for layer in related
        }
    hidden = ~mask.bool()[:, None, None, :]
    return {
        "attention": {
            layer: torch.softmax(scores[layer].masked_fill(hidden, -torch.inf), dim=-1)
            for layer in needs.get("attention", ())
        },
        "scores": {layer: scores[layer] for layer in needs.get("scores", ())},
        "values": {layer: passed["value", layer].float() for layer in needs.get("values", ())},
    }
