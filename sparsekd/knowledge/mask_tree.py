"""A prefix tree of masks: what masks share from the bottom layer up is one node."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsekd.units.shape import ModelShape, UnitMask


@dataclass(frozen=True)
class Level:
    """The nodes of one layer: their parents and the units that each keeps.

    Shapes: parents (P,) the nodes of the level below, heads (P, H), neurons (P, F), P nodes.
    """

    parents: list[int]
    heads: NDArray[np.bool_]
    neurons: NDArray[np.bool_]

    def children(self, parent: int) -> list[int]:
        """Return the nodes above a node of the level below."""
        return [node for node, below in enumerate(self.parents) if below == parent]


@dataclass(frozen=True)
class Tree:
    """A prefix tree of masks: levels, bottom first, and the leaf (top node) of each mask."""

    levels: list[Level]
    ends: list[int]

    @classmethod
    def of(cls, masks: Sequence[UnitMask]) -> "Tree":
        """Build the tree: masks share nodes up to the first layer on which they differ."""
        below, levels = [0] * len(masks), []
        for number in range(len(masks[0].heads)):
            keys = [
                (node, mask.heads[number].tobytes(), mask.neurons[number].tobytes())
                for node, mask in zip(below, masks, strict=True)
            ]
            different = dict(zip(keys, masks, strict=True))
            nodes = {key: node for node, key in enumerate(different)}
            levels.append(
                Level(
                    [key[0] for key in nodes],
                    np.stack([mask.heads[number] for mask in different.values()]),
                    np.stack([mask.neurons[number] for mask in different.values()]),
                )
            )
            below = [nodes[key] for key in keys]
        return cls(levels, below)

    def shapes(self, dense: ModelShape) -> tuple[ModelShape, ModelShape]:
        """Return shapes of one layer per node, masked and dense: what each strategy computes."""
        _, heads, neurons = dense.grid()
        kept_heads = [int(row.sum()) for level in self.levels for row in level.heads]
        kept_neurons = [int(row.sum()) for level in self.levels for row in level.neurons]
        nodes = len(kept_heads)
        return (
            replace(dense, heads=tuple(kept_heads), neurons=tuple(kept_neurons)),
            replace(dense, heads=(heads,) * nodes, neurons=(neurons,) * nodes),
        )
