"""Scores of a teacher's units as plain arrays on disk, and checks that scores and masks share.

A unit is an attention head or a feed-forward neuron; units are ordered all heads first, then all
neurons, each layer by layer.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sparsekd.errors import BadInput
from sparsekd.system.arrays import load_arrays, save_arrays

Matrix = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

MATRICES = (
    "head_expressiveness",
    "head_friendliness",
    "neuron_expressiveness",
    "neuron_friendliness",
)


@dataclass(frozen=True, eq=False)
class Scores:
    """Raw expressiveness and student-friendliness of every unit, with their provenance.

    Shapes: head_* (L, H), neuron_* (L, F), float32.
    Raises:
        BadInput: shapes that do not belong together; NaN or infinite values.
    """

    head_expressiveness: Matrix
    head_friendliness: Matrix
    neuron_expressiveness: Matrix
    neuron_friendliness: Matrix
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in MATRICES:
            with np.errstate(over="ignore"):
                exact = checked(getattr(self, name), name).astype(np.float32)
            object.__setattr__(self, name, checked(exact, name))
        for one, other in (MATRICES[:2], MATRICES[2:]):
            if getattr(self, one).shape != getattr(self, other).shape:
                raise BadInput(f"{one} and {other} differ in shape.", "Score the teacher again.")
        same_layers(self.head_expressiveness, self.neuron_expressiveness)

    @classmethod
    def from_units(
        cls, units: NDArray[Any], shape: tuple[int, int, int], provenance: dict[str, Any]
    ) -> Self:
        """Build from one row of units for expressiveness and one for friendliness.

        Shapes: units (2, L·H + L·F), shape (L, H, F).
        """
        layers, heads, _ = shape
        of_heads, of_neurons = np.split(units, [layers * heads], axis=1)
        matrices = (*of_heads.reshape(2, layers, -1), *of_neurons.reshape(2, layers, -1))
        return cls(**dict(zip(MATRICES, matrices, strict=True)), provenance=provenance)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Layers, heads per layer, neurons per layer."""
        layers, heads = self.head_expressiveness.shape
        return layers, heads, self.neuron_expressiveness.shape[1]

    def save(self, path: Path) -> None:
        """Write the raw arrays and the provenance (JSON) to an npz file, in one step."""
        arrays = {name: getattr(self, name) for name in MATRICES}
        save_arrays(path, arrays | {"provenance": np.array(json.dumps(self.provenance))})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            NotFound, BadInput: no such file; no scores in it; NaN or infinite scores.
        """
        content = load_arrays(path, MATRICES, "a scores.npz from `score`", ("provenance",))
        provenance = provenance_of(path, content.get("provenance"))
        return cls(**{name: content[name] for name in MATRICES}, provenance=provenance)


def checked(values: NDArray[Any], name: str) -> Matrix:
    """Return the values as a matrix of finite numbers, one row per layer.

    Raises:
        BadInput: another shape or type, NaN or infinity.
    """
    matrix = np.asarray(values)
    if matrix.ndim != 2 or not matrix.size or matrix.dtype.kind not in "fiu":
        raise BadInput(
            f"{name}: {matrix.dtype} of shape {matrix.shape} is not a matrix of numbers.",
            "Expected one row per layer, one column per unit.",
        )
    bad = int(matrix.size - np.isfinite(matrix).sum())
    if bad:
        raise BadInput(
            f"{name}: {bad} of {matrix.size} values are NaN or infinite.",
            "The teacher or the trial student has diverged: train it again with a lower "
            "learning rate, and score again.",
        )
    return matrix


def same_layers(heads: NDArray[Any], neurons: NDArray[Any]) -> None:
    """Refuse heads and neurons of models of different depth."""
    if len(heads) != len(neurons):
        raise BadInput(
            f"Heads of {len(heads)} layers do not go with neurons of {len(neurons)}.",
            "Both must come from one teacher.",
        )


def provenance_of(path: Path, text: NDArray[Any] | None) -> dict[str, Any]:
    """Parse the JSON object stored beside the arrays; {} where the file has none.

    Raises:
        BadInput: it is not a JSON object.
    """
    if text is None:
        return {}
    try:
        provenance = json.loads(str(text))
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}: its provenance is not JSON.", "Write the file again.") from error
    if not isinstance(provenance, dict):
        raise BadInput(f"{path}: its provenance is not a JSON object.", "Write the file again.")
    return provenance
