"""(scores, λ, sparsity) → mask, in numpy: what the sliders call.

What matters (scores), how it is mixed (λ) and what is removed (mask) are three separate things.
A mask is a pure function of them: ties break by (layer, index).

Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (paper and reference code).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput
from sparsekd.system.arrays import load_arrays, save_arrays
from sparsekd.units.scores import (
    Counts,
    Flags,
    Matrix,
    Scores,
    checked,
    provenance_of,
    same_layers,
)

Flat = NDArray[np.float64]


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
        provenance = provenance_of(path, content.get("provenance"))
        return cls(content["heads"], content["neurons"], provenance)


def normalised(matrix: Matrix) -> Flat:
    """Each layer's scores divided by their L2 norm: layers then compete as equals.

    The 1e-7 keeps a layer of zeros at zero.

    Shapes: (L, U) -> (L, U).
    """
    exact = np.asarray(matrix, dtype=np.float64)
    norms = np.sqrt(np.square(exact).sum(axis=1, keepdims=True))
    result: Flat = exact / (norms + 1e-7)
    return result


def knowledgeableness(scores: Scores, lam: float, normalise: str = "layer") -> tuple[Flat, Flat]:
    """λ · expressiveness + (1 − λ) · student-friendliness, of every head and every neuron.

    Args:
        lam: 1 is pure expressiveness, 0 pure friendliness.
        normalise: "layer" (the reference) or "none" (raw: layers with large gradients win).

    Shapes: heads (L, H), neurons (L, F).
    Raises:
        BadInput: λ is outside [0, 1]; the normalisation is unknown.
    """
    lam = share(lam, "λ (lam)", "1 keeps what is expressive, 0 what is student-friendly.")
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
        heads, neurons: What ranks the units; the lowest go first, ties by (layer, index).
        sparsity: Share of the heads removed, and of the neurons where they have none of their own.
        round_to: Neurons removed per layer become a multiple of this, half to even, and at most
            all; widths that hardware likes. 1 leaves them as ranked.

    Shapes: heads (L, H), neurons (L, F).
    Raises:
        BadInput: a sparsity outside [0, 1], or one that empties every layer; scores that are NaN,
            infinite or of the wrong shape.
    """
    heads, neurons = checked(heads, "head scores"), checked(neurons, "neuron scores")
    same_layers(heads, neurons)
    kept_heads = ~going(heads, removed(heads.size, share(sparsity, "sparsity")))
    share_of_neurons = sparsity if neuron_sparsity is None else neuron_sparsity
    of_neurons = removed(neurons.size, share(share_of_neurons, "neuron sparsity"))
    kept_neurons = ~going(neurons, of_neurons, round_to)
    _refuse_empty(kept_heads, "heads", sparsity)
    _refuse_empty(kept_neurons, "neurons", share_of_neurons)
    return Mask(kept_heads, kept_neurons)


def random_mask(
    shape: tuple[int, int, int],
    sparsity: float,
    seed: int,
    round_to: int = 8,
    neuron_sparsity: float | None = None,
) -> Mask:
    """The control: as many units as `decide` removes, drawn by chance.

    With one seed, a sparser mask removes what a denser one does and more (with round_to 1).

    Args:
        shape: Layers, heads per layer, neurons per layer.
    """
    layers, heads, neurons = shape
    draws = np.random.default_rng(seed)
    ranks = draws.random((layers, heads)), draws.random((layers, neurons))
    return decide(*ranks, sparsity, neuron_sparsity, round_to)


def from_scores(scores: Scores, params: MaskParams, seed: int = 0) -> Mask:
    """The mask that parameters ask for, with its provenance; `seed` draws a random one.

    Raises:
        BadInput: as `decide`; magnitudes, which are not among the scores.
    """
    if params.kind == "magnitude":
        raise BadInput("Magnitudes are read off weights, not scores.", "Choose scores or random.")
    if params.kind == "random":
        mask = random_mask(
            scores.shape, params.sparsity, seed, params.round_to, params.neuron_sparsity
        )
    else:
        ranks = knowledgeableness(scores, params.lam, params.normalise)
        mask = decide(*ranks, params.sparsity, params.neuron_sparsity, params.round_to)
    made = params.values() | ({"seed": seed} if params.kind == "random" else {})
    return Mask(mask.heads, mask.neurons, {"mask": made, "scores": scores.provenance})


def removed(pool: int, sparsity: float) -> int:
    """Units removed from a pool: Python's round, half to even, as the reference does."""
    return round(sparsity * pool)


def going(values: Matrix, count: int, round_to: int = 1) -> Flags:
    """True for the units of one pool that go: the `count` lowest, then rounded in each layer.

    Shapes: (L, U) -> (L, U).
    """
    return _rounded(values, lowest(values, count), _multiple(round_to))


def lowest(values: Matrix, count: int) -> Flags:
    """True for the `count` lowest values; among equals the first by (layer, index).

    A partition and a threshold: ten times faster than a stable sort, and the same answer.

    Shapes: (L, U) -> (L, U).
    """
    flat = np.asarray(values).ravel()
    if count <= 0:
        return np.zeros(np.shape(values), dtype=bool)
    threshold = np.partition(flat, count - 1)[count - 1]
    chosen = flat < threshold
    ties = np.flatnonzero(flat == threshold)
    chosen[ties[: count - int(chosen.sum())]] = True
    shaped: Flags = chosen.reshape(np.shape(values))
    return shaped


def curve_counts(heads: Matrix, neurons: Matrix, round_to: int = 8) -> tuple[Flat, Counts, Counts]:
    """What each layer keeps at sparsities 0, 0.01 … 1, from one sort: the dashboard's curves.

    Sparsity 1 is included for the picture; `decide` refuses it.

    Returns:
        Sparsities (101,), heads kept (101, L), neurons kept (101, L).
    """
    sparsities = np.arange(101) / 100
    kept_heads = heads.shape[1] - _going_per_layer(heads, sparsities)
    gone = rounded(_going_per_layer(neurons, sparsities), round_to, neurons.shape[1])
    return sparsities, kept_heads, neurons.shape[1] - gone


def rounded(counts: Counts, round_to: int, width: int) -> Counts:
    """Units that go in a layer of `width`: the nearest multiple, half to even, at most all."""
    nearest = np.rint(counts / _multiple(round_to)).astype(np.int64) * round_to
    return np.minimum(nearest, width)


def share(value: float, name: str, hint: str = "") -> float:
    """A number in [0, 1], or the error that says so."""
    if not 0 <= value <= 1:  # also catches NaN
        raise BadInput(
            f"{name} = {value} is outside [0, 1].", hint or "Give a share: 0 removes nothing."
        )
    return float(value)


def _exact(matrix: Matrix) -> Flat:
    return np.asarray(matrix, dtype=np.float64)


def _multiple(round_to: int) -> int:
    if round_to < 1:
        raise BadInput(f"round_to = {round_to} is below 1.", "Choose 8, or 1 for no rounding.")
    return round_to


def _rounded(values: Matrix, chosen: Flags, round_to: int) -> Flags:
    """The lowest of each layer, as many as `chosen` has there, rounded."""
    if round_to == 1:
        return chosen
    counts = rounded(chosen.sum(axis=1), round_to, values.shape[1])
    return np.stack([lowest(row, int(n)) for row, n in zip(values, counts, strict=True)])


def _refuse_empty(kept: Flags, units: str, sparsity: float) -> None:
    if kept.any():
        return
    raise BadInput(
        f"Sparsity {sparsity:g} empties every layer of its {units}.",
        f"Choose a lower sparsity for the {units}, or a smaller round_to.",
    )


def _going_per_layer(values: Matrix, sparsities: Flat) -> Counts:
    """Units of each layer among the lowest round(p · pool), for every p.

    Shapes: values (L, U), sparsities (P,) -> (P, L).
    """
    layers, width = values.shape
    counts = [removed(values.size, float(p)) for p in sparsities]
    layer_by_rank = np.argsort(np.asarray(values).ravel(), kind="stable") // width
    step = np.searchsorted(counts, np.arange(values.size), side="right")
    cells = np.bincount(step * layers + layer_by_rank, minlength=(len(counts) + 1) * layers)
    up_to: NDArray[Any] = cells.reshape(-1, layers)[: len(counts)].cumsum(axis=0)
    return up_to.astype(np.int64)
