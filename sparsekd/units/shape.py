"""The shape of a classifier, and its parameters and operations counted from it."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sparsekd.errors import Incompatible


class UnitMask(Protocol):
    """Anything with boolean `heads` (L, H) and `neurons` (L, F), true = kept."""

    @property
    def heads(self) -> NDArray[np.bool_]: ...

    @property
    def neurons(self) -> NDArray[np.bool_]: ...


@dataclass(frozen=True)
class ModelShape:
    """The sizes that decide a classifier's parameters and operations.

    `heads` and `neurons` count layer by layer, because pruned layers differ. `segments` is the
    number of segment embeddings (0 without them), `embedding` the width of the embeddings
    (ELECTRA may project it to `hidden`).
    """

    architecture: str
    hidden: int
    head_size: int
    heads: tuple[int, ...]
    neurons: tuple[int, ...]
    vocabulary: int
    positions: int
    segments: int
    embedding: int
    classes: int

    @property
    def layers(self) -> int:
        """The number of layers."""
        return len(self.heads)

    @property
    def units(self) -> tuple[int, int]:
        """The numbers of heads and of neurons over all layers."""
        return sum(self.heads), sum(self.neurons)

    @property
    def uniform(self) -> bool:
        """Whether all layers have the same numbers of heads and of neurons."""
        return len(set(self.heads)) <= 1 and len(set(self.neurons)) <= 1

    def grid(self) -> tuple[int, int, int]:
        """Return layers, heads per layer and neurons per layer.

        Raises:
            Incompatible: layers differ, so that there is no (L, H) or (L, F) matrix of units.
        """
        if not self.uniform:
            raise Incompatible(
                f"The layers of this model differ: heads {list(self.heads)}, "
                f"neurons {list(self.neurons)}.",
                "It has been pruned already: score and mask the model it was pruned from.",
            )
        return self.layers, self.heads[0], self.neurons[0]

    def to_json(self) -> dict[str, Any]:
        """Return the shape as plain JSON values."""
        return asdict(self) | {"heads": list(self.heads), "neurons": list(self.neurons)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Build the shape that `to_json` wrote."""
        heads, neurons = tuple(values["heads"]), tuple(values["neurons"])
        return cls(**(values | {"heads": heads, "neurons": neurons}))


def pruned(shape: ModelShape, mask: UnitMask) -> ModelShape:
    """Return the shape after removing everything outside the mask.

    Shapes: mask.heads (L, H), mask.neurons (L, F).

    Raises:
        Incompatible: the mask belongs to a model of another shape.
    """
    layers, heads, neurons = shape.grid()
    check_fit(shape, tuple(mask.heads.shape), tuple(mask.neurons.shape))
    kept_heads = mask.heads.reshape(layers, heads).sum(axis=1)
    kept_neurons = mask.neurons.reshape(layers, neurons).sum(axis=1)
    return replace(
        shape,
        heads=tuple(int(count) for count in kept_heads),
        neurons=tuple(int(count) for count in kept_neurons),
    )


def check_fit(shape: ModelShape, heads: tuple[int, ...], neurons: tuple[int, ...]) -> None:
    """Refuse matrices of units that do not belong to a model of this shape.

    Raises:
        Incompatible: `heads` is not (L, H), or `neurons` is not (L, F).
    """
    layers, per_layer, width = shape.grid()
    if heads != (layers, per_layer) or neurons != (layers, width):
        raise Incompatible(
            f"The mask has heads {heads} and neurons {neurons}; "
            f"the model has heads {(layers, per_layer)} and neurons {(layers, width)}.",
            "Use a mask made from this model's own scores.",
        )


def parameters(shape: ModelShape) -> int:
    """Return the number of weights, embeddings and classifier included."""
    embeddings = (shape.vocabulary + shape.positions + shape.segments + 2) * shape.embedding
    layers = sum(
        _layer_parameters(shape, heads, neurons)
        for heads, neurons in zip(shape.heads, shape.neurons, strict=True)
    )
    return embeddings + _projection(shape) + layers + _classifier(shape)


def flops(shape: ModelShape, tokens: int) -> int:
    """Return the forward operations of one example of that many tokens: 2 per multiply-add.

    Matrix products only, attention included; no norms, activations or look-ups.
    """
    layers = sum(
        _layer_flops(shape, heads, neurons, tokens)
        for heads, neurons in zip(shape.heads, shape.neurons, strict=True)
    )
    projection = 0
    if shape.embedding != shape.hidden:
        projection = 2 * tokens * shape.embedding * shape.hidden
    classifier = 2 * shape.hidden * (shape.hidden + shape.classes)
    return projection + layers + classifier


def _layer_parameters(shape: ModelShape, heads: int, neurons: int) -> int:
    """Count the weights of one layer; a block without units has no output bias either."""
    hidden, width = shape.hidden, heads * shape.head_size
    attention = 4 * hidden * width + 3 * width + (hidden if heads else 0)
    feed_forward = 2 * hidden * neurons + neurons + (hidden if neurons else 0)
    norms = 4 * hidden
    return attention + feed_forward + norms


def _layer_flops(shape: ModelShape, heads: int, neurons: int, tokens: int) -> int:
    width = heads * shape.head_size
    projections = 4 * shape.hidden * width * tokens
    attention = 2 * width * tokens * tokens
    feed_forward = 2 * shape.hidden * neurons * tokens
    return 2 * (projections + attention + feed_forward)


def _projection(shape: ModelShape) -> int:
    if shape.embedding == shape.hidden:
        return 0
    return (shape.embedding + 1) * shape.hidden


def _classifier(shape: ModelShape) -> int:
    """Count the weights of the hidden layer (pooler, pre-classifier or dense) and the last one."""
    return (shape.hidden + 1) * (shape.hidden + shape.classes)
