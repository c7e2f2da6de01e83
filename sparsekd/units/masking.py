"""Masks from rankings: (scores, λ, sparsity) → mask, in numpy.

A mask is a pure function of what ranks the units and of the sparsity: ties break by (layer,
index).

Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (paper and reference code).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput
from sparsekd.system.arrays import load_arrays, save_arrays
from sparsekd.units.removal import removal_count, removal_flags
from sparsekd.units.scores import (
    Flags,
    Matrix,
    Scores,
    checked,
    provenance_of,
    same_layers,
)

Flat = NDArray[np.float64]
Ranks = tuple[Matrix, Matrix]


@dataclass(frozen=True, eq=False)
class Mask:
    """A decision on every head and neuron: true is kept.

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
        """Return the mask that keeps every unit."""
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
        provenance = provenance_of(path, content.get("provenance"))
        return cls(content["heads"], content["neurons"], provenance)


def normalised(matrix: Matrix) -> Flat:
    """Divide each layer's scores by their L2 norm, so that layers are on one scale.

    The 1e-7 keeps a layer of zeros at zero.

    Shapes: (L, U) -> (L, U).
    """
    result: Flat = np.asarray(matrix, dtype=np.float64) / scale(matrix, "layer")
    return result


def scale(matrix: Matrix, normalise: str) -> Flat:
    """Return what divides each layer's scores: its L2 norm plus 1e-7, or 1 where they stay raw.

    Shapes: (L, U) -> (L, 1).
    """
    exact = np.asarray(matrix, dtype=np.float64)
    if normalise == "none":
        return np.ones((len(exact), 1))
    norms: Flat = np.sqrt(np.square(exact).sum(axis=1, keepdims=True))
    return norms + 1e-7


def knowledgeableness(scores: Scores, lam: float, normalise: str = "layer") -> tuple[Flat, Flat]:
    """Return λ · expressiveness + (1 − λ) · student-friendliness of every head and every neuron.

    Args:
        lam: 1 is pure expressiveness, 0 pure friendliness.
        normalise: "layer" (the reference) or "none" (raw: layers with large gradients rank higher).

    Shapes: heads (L, H), neurons (L, F).
    Raises:
        BadInput: λ is outside [0, 1]; the normalisation is unknown.
    """
    lam = checked_share(lam, "λ (lam)", "1 keeps what is expressive, 0 what is student-friendly.")
    if normalise not in ("layer", "none"):
        raise BadInput(f"normalise = {normalise!r} is unknown.", "Choose layer or none.")
    scaled = normalised if normalise == "layer" else _exact
    return (
        lam * scaled(scores.head_expressiveness) + (1 - lam) * scaled(scores.head_friendliness),
        lam * scaled(scores.neuron_expressiveness) + (1 - lam) * scaled(scores.neuron_friendliness),
    )


def decide(
    heads: Matrix,
    neurons: Matrix,
    sparsity: float,
    neuron_sparsity: float | None = None,
    round_to: int = 8,
) -> Mask:
    """Remove the lowest heads and the lowest neurons, each pool ranked over all layers jointly.

    Args:
        heads, neurons: Values that rank the units; the lowest are removed first, ties by (layer,
            index).
        sparsity: Share of the heads removed, and of the neurons without `neuron_sparsity`.
        round_to: Neurons removed per layer become a multiple of this, half to even, and at most
            all; hardware prefers such widths. 1 does not round.

    Shapes: heads (L, H), neurons (L, F).
    Raises:
        BadInput: a sparsity outside [0, 1], or one that empties every layer; scores that are NaN,
            infinite or of the wrong shape.
    """
    heads, neurons = checked(heads, "head scores"), checked(neurons, "neuron scores")
    same_layers(heads, neurons)
    of_heads = removal_count(heads.size, checked_share(sparsity, "sparsity"))
    kept_heads = ~removal_flags(heads, of_heads)
    share_of_neurons = sparsity if neuron_sparsity is None else neuron_sparsity
    of_neurons = removal_count(neurons.size, checked_share(share_of_neurons, "neuron sparsity"))
    kept_neurons = ~removal_flags(neurons, of_neurons, round_to)
    _check_not_empty(kept_heads, "heads", sparsity)
    _check_not_empty(kept_neurons, "neurons", share_of_neurons)
    return Mask(kept_heads, kept_neurons)


def random_ranks(shape: tuple[int, int, int], seed: int) -> Ranks:
    """Draw a uniform random value for every head, then for every neuron.

    With one seed, a sparser mask removes what a denser one does and more (with round_to 1).

    Args:
        shape: Layers, heads per layer, neurons per layer.

    Shapes: -> heads (L, H), neurons (L, F).
    """
    layers, heads, neurons = shape
    draws = np.random.default_rng(seed)
    return draws.random((layers, heads)), draws.random((layers, neurons))


def ranks(scores: Scores, params: MaskParams, seed: int = 0) -> Ranks:
    """Return the values by which `build` ranks the units.

    Shapes: -> heads (L, H), neurons (L, F).
    Raises:
        BadInput: `scores` are not of the ranking `params.kind`.
    """
    card = rankings.find(params.kind)
    if card.origin == "chance":
        return random_ranks(scores.shape, seed)
    if card.origin == "scores":
        return knowledgeableness(scores, params.lam, params.normalise)
    if ranking_of(scores) != card.name:
        raise BadInput(
            f"These scores are not a ranking {card.phrase}.",
            f"Name an ablation run, which has {card.name}.npz, or choose scores or random.",
        )
    return scores.head_expressiveness, scores.neuron_expressiveness


def build(scores: Scores, params: MaskParams, seed: int = 0) -> Mask:
    """Return the mask of these parameters, with its provenance.

    Args:
        scores: What ranks the units; a random mask uses only their shape and teacher.
        seed: Of a random mask.

    Raises:
        BadInput: as `decide`; scores of another ranking than `params.kind`.
    """
    mask = decide(
        *ranks(scores, params, seed), params.sparsity, params.neuron_sparsity, params.round_to
    )
    return Mask(mask.heads, mask.neurons, provenance(scores, params, seed))


def provenance(scores: Scores, params: MaskParams, seed: int = 0) -> dict[str, Any]:
    """Return how `build` makes a mask: its ranking and teacher, and every parameter that counts."""
    card = rankings.find(params.kind)
    made: dict[str, Any] = {"ranking": card.name}
    teacher = scores.provenance.get("inputs", {}).get("teacher")
    made |= {} if teacher is None else {"teacher": teacher}
    made |= {name: getattr(params, name) for name in ("sparsity", "neuron_sparsity", "round_to")}
    if card.origin == "scores":
        made |= {"lam": params.lam, "normalise": params.normalise, "scores": scores.provenance}
    return made | ({"seed": seed} if card.origin == "chance" else {})


def ranking_of(scores: Scores) -> str:
    """Return the ranking of weights that a file of scores holds; empty for other scores."""
    return str(scores.provenance.get("ranking", scores.provenance.get("score", "")))


def checked_share(value: float, name: str, hint: str = "") -> float:
    """Return a number in [0, 1]; refuse any other."""
    if not 0 <= value <= 1:  # also catches NaN
        raise BadInput(
            f"{name} = {value} is outside [0, 1].", hint or "Give a share: 0 removes nothing."
        )
    return float(value)


def _exact(matrix: Matrix) -> Flat:
    return np.asarray(matrix, dtype=np.float64)


def _check_not_empty(kept: Flags, units: str, sparsity: float) -> None:
    if kept.any():
        return
    finer = ", or round them to a smaller multiple" if units == "neurons" else ""
    raise BadInput(
        f"Sparsity {sparsity:g} empties every layer of its {units}.",
        f"Choose a lower sparsity for the {units}{finer}.",
    )
