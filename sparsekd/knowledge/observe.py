"""One model's view of one batch: only what was asked for, and never silently less."""

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
from sparsekd.models.gates import cls_only

Kind = Literal["cls", "hidden", "attention", "scores", "values"]
KINDS: tuple[Kind, ...] = ("cls", "hidden", "attention", "scores", "values")
OF_HEADS = ("attention", "scores", "values")
Needs = Mapping[Kind, tuple[int, ...]]
"""Which layers' knowledge of each kind; 1 is the bottom layer, 0 the embeddings' output."""
Layers = Mapping[int, Tensor]


@dataclass(frozen=True)
class Knowledge:
    """What a model knows of a batch, by layer (1 = bottom); what was not asked for is not there.

    `cls` and `hidden` also know layer 0, the embeddings' output. `attention` are the
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

    def of(self, kind: Kind) -> Layers:
        """One kind of knowledge by its name."""
        found: Layers = getattr(self, kind)
        return found


def observe(model: PreTrainedModel, batch: Batch, needs: Needs | None = None) -> Knowledge:
    """Run the model on a batch and keep the logits and what `needs` names.

    Attention is computed from the query and key projections that pass by: the model itself may
    go on using fused attention, which keeps no probabilities.

    Raises:
        NotFound: a need is none of the known kinds.
        Incompatible: a layer that the model does not have, or that has no heads left.
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
def sparing(model: PreTrainedModel, needs: Needs) -> Iterator[None]:
    """Compute the last layer for [CLS] alone where nobody asks for its other hidden states."""
    with ExitStack() as around:
        if len(architectures.blocks(model)) not in needs.get("hidden", ()):
            around.enter_context(cls_only(model))
        yield


def check_kinds(kinds: Mapping[Any, Any]) -> None:
    """Refuse a kind of knowledge that no model shows.

    Raises:
        NotFound: with the nearest name.
    """
    for kind in set(kinds).difference(KINDS):
        raise unknown("kind of knowledge", str(kind), KINDS)


def _check(model: PreTrainedModel, needs: Needs) -> None:
    check_kinds(needs)
    if not needs:
        return
    layers = architectures.layers(model)
    for kind, wanted in needs.items():
        for layer in wanted:
            if not int(kind in OF_HEADS) <= layer <= len(layers):
                raise Incompatible(
                    f"There is no layer {layer} to read: the model has {len(layers)}.",
                    "Choose fewer layers, or a deeper model.",
                )
            if kind in OF_HEADS and not layers[layer - 1].heads:
                raise Incompatible(
                    f"Layer {layer} has no heads left, so it has no {kind} to show.",
                    "Choose a lower sparsity for the heads, or a method that does not read heads.",
                )


@contextmanager
def _projections(model: PreTrainedModel, needs: Needs) -> Iterator[dict[tuple[str, int], Tensor]]:
    """Collect query, key and value projections of the wanted layers in one forward pass."""
    found: dict[tuple[str, int], Tensor] = {}
    related = {*needs.get("attention", ()), *needs.get("scores", ())}
    wanted = [(role, layer) for layer in sorted(related) for role in ("query", "key")]
    wanted += [("value", layer) for layer in needs.get("values", ())]
    layers = architectures.layers(model) if wanted else []
    with ExitStack() as hooks:
        for role, layer in wanted:
            site: nn.Linear = getattr(layers[layer - 1], role)
            size = layers[layer - 1].head_size

            def keep(
                _site: nn.Module, _inputs: Any, out: Tensor,
                place: tuple[str, int] = (role, layer), size: int = size,
            ) -> None:  # fmt: skip
                split = out.view(*out.shape[:2], out.shape[-1] // size, size)
                found[place] = split.transpose(1, 2)

            hooks.callback(site.register_forward_hook(keep).remove)
        yield found


def _of_heads(
    model: PreTrainedModel, passed: dict[tuple[str, int], Tensor], mask: Tensor, needs: Needs
) -> dict[str, Layers]:
    scale = architectures.head_size(model.config) ** -0.5 if passed else 1.0
    related = {*needs.get("attention", ()), *needs.get("scores", ())}
    scores = {
        layer: (passed["query", layer] @ passed["key", layer].mT).float() * scale
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
