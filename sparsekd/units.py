"""What is known of a teacher's units (scores) and which of them stay (mask): plain arrays on disk.

A unit is an attention head or a feed-forward neuron; units are ordered all heads first, then all
neurons, each layer by layer.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sparsekd.arrays import load_arrays, save_arrays
from sparsekd.errors import BadInput

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
    """Raw expressiveness and student-friendliness of every unit, and where they come from.

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
        """From one row of units for expressiveness and one for friendliness.

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
        provenance = _provenance(path, content.get("provenance"))
        return cls(**{name: content[name] for name in MATRICES}, provenance=provenance)


@dataclass(frozen=True, eq=False)
class Mask:
    """Which heads and neurons stay: true is kept.

    Shapes: heads (L, H), neurons (L, F).
    Raises:
        BadInput: not booleans, or shapes that do not belong together.
    """

    heads: Flags
    neurons: Flags
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, flags in (("heads", self.heads), ("neurons", self.neurons)):
            if flags.dtype != np.bool_ or flags.ndim != 2 or not flags.size:
                raise BadInput(
                    f"The mask's {name} are {flags.dtype} of shape {flags.shape}, not booleans "
                    "of shape (layers, units).",
                    "Write the mask again with `mask`.",
                )
        same_layers(self.heads, self.neurons)

    @classmethod
    def full(cls, shape: tuple[int, int, int]) -> Self:
        """Everything stays."""
        layers, heads, neurons = shape
        return cls(np.ones((layers, heads), dtype=bool), np.ones((layers, neurons), dtype=bool))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Layers, heads per layer, neurons per layer."""
        layers, heads = self.heads.shape
        return layers, heads, self.neurons.shape[1]

    def save(self, path: Path) -> None:
        """Write the booleans and the provenance (JSON) to an npz file, in one step."""
        arrays = {"heads": self.heads, "neurons": self.neurons}
        save_arrays(path, arrays | {"provenance": np.array(json.dumps(self.provenance))})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            NotFound, BadInput: no such file; no mask in it.
        """
        content = load_arrays(path, ("heads", "neurons"), "a mask.npz from `mask`", ("provenance",))
        provenance = _provenance(path, content.get("provenance"))
        return cls(content["heads"], content["neurons"], provenance)


def checked(values: NDArray[Any], name: str) -> Matrix:
    """A matrix of finite numbers, one row per layer.

    Raises:
        BadInput: another shape, no numbers, NaN or infinity.
    """
    matrix = np.asarray(values)
    if matrix.ndim != 2 or not matrix.size or matrix.dtype.kind not in "fiu":
        raise BadInput(
            f"{name}: {matrix.dtype} of shape {matrix.shape} is no matrix of numbers.",
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
    """Refuse heads and neurons of differently deep models."""
    if len(heads) != len(neurons):
        raise BadInput(
            f"Heads of {len(heads)} layers do not go with neurons of {len(neurons)}.",
            "Both must come from one teacher.",
        )


def _provenance(path: Path, text: NDArray[Any] | None) -> dict[str, Any]:
    if text is None:  # written by another program
        return {}
    try:
        provenance = json.loads(str(text))
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}: its provenance is no JSON.", "Write the file again.") from error
    if not isinstance(provenance, dict):
        raise BadInput(f"{path}: its provenance is no JSON object.", "Write the file again.")
    return provenance
