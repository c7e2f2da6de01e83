"""Why a unit is removed, or not: its scores, its rank, where its fate flips, what it really does.

Everything is read off the scores by the mask's own arithmetic; nothing is estimated.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput, NotFound, unknown
from sparsekd.units import harm, masking
from sparsekd.units.ablation import Ablation
from sparsekd.units.harm import Effect
from sparsekd.units.lambda_spans import Pool, Span, spans
from sparsekd.units.scores import Matrix, Scores


@dataclass(frozen=True)
class Context:
    """The unit within its layer: its place in the order of removal (1 goes first), who goes."""

    place: int
    units: int
    going: int
    mean_knowledgeableness: float


@dataclass(frozen=True)
class Fate:
    """Everything known about one head or neuron under one mask; layer and index count from 0.

    `place` 1 is the first of the `pool` to go, and `count` go before rounding: up to
    `highest_that_goes`, from `lowest_that_stays` on they stay. `goes_at` is the smallest sparsity
    at which the unit goes; None where a mask that removed it would leave nothing.
    """

    unit: str
    layer: int
    index: int
    params: MaskParams
    expressiveness: float
    friendliness: float
    normalised_expressiveness: float
    normalised_friendliness: float
    knowledgeableness: float
    place: int
    pool: int
    count: int
    highest_that_goes: float | None
    lowest_that_stays: float | None
    goes: bool
    goes_unrounded: bool
    goes_at: float | None
    spans: tuple[Span, ...]
    context: Context
    effect: Effect | None

    @property
    def sparsity(self) -> float:
        """The share that is removed of this unit's pool."""
        return _sparsity(self.params, self.unit)

    @property
    def round_to(self) -> int:
        """Heads are never rounded."""
        return _round_to(self.params, self.unit)

    @property
    def rank(self) -> int:
        """1 is worth most."""
        return self.pool - self.place + 1

    @property
    def flips(self) -> tuple[float, ...]:
        """Every λ at which the fate changes: the first of the new fate."""
        return tuple(span.start for span in self.spans[1:])

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the parameters of the mask beside them."""
        values = asdict(self) | self.params.values() | {"flips": list(self.flips)}
        values |= {"rank": self.rank, "threshold": self.lowest_that_stays}
        values |= {"sparsity": self.sparsity, "round_to": self.round_to}
        return {name: value for name, value in values.items() if name not in ("params", "kind")}


def explain(
    scores: Scores,
    unit: str,
    layer: int,
    index: int,
    params: MaskParams,
    ablation: Ablation | None = None,
) -> Fate:
    """What becomes of one unit at this λ and sparsity, and why.

    Args:
        unit: "head" or "neuron".
        layer, index: Counted from 0.

    Raises:
        NotFound: the teacher has no such unit.
        BadInput: a mask that is not ranked by scores, or that would empty every layer.
        Incompatible: the ablation is of another teacher.
    """
    _check(scores, unit, layer, index, params)
    mask = masking.from_scores(scores, params)
    pool = _pool(scores, unit, params)
    worth = pool.worth(params.lam)
    goes = ~(mask.heads if unit == "head" else mask.neurons)
    raw = _matrices(scores, unit)
    if ablation is not None:
        harm.same_teacher(scores.shape, ablation)
    return Fate(
        unit=unit,
        layer=layer,
        index=index,
        params=params,
        expressiveness=float(raw[0][layer, index]),
        friendliness=float(raw[1][layer, index]),
        normalised_expressiveness=float(masking.normalised(raw[0])[layer, index]),
        normalised_friendliness=float(masking.normalised(raw[1])[layer, index]),
        knowledgeableness=float(worth[layer, index]),
        place=_place(worth, layer * worth.shape[1] + index),
        pool=worth.size,
        count=pool.count,
        highest_that_goes=_ordered(worth, pool.count - 1),
        lowest_that_stays=_ordered(worth, pool.count),
        goes=bool(goes[layer, index]),
        goes_unrounded=bool(masking.going(worth, pool.count)[layer, index]),
        goes_at=_goes_at(worth, pool.round_to, layer, index),
        spans=tuple(spans(pool, layer, index)),
        context=Context(
            _place(worth[layer], index),
            worth.shape[1],
            int(goes[layer].sum()),
            float(worth[layer].mean()),
        ),
        effect=None if ablation is None else harm.of_unit(ablation, unit, layer, index),
    )


def _check(scores: Scores, unit: str, layer: int, index: int, params: MaskParams) -> None:
    if unit not in ("head", "neuron"):
        raise unknown("unit", unit, ("head", "neuron"))
    if params.kind != "scores":
        raise BadInput(f"A {params.kind} mask follows no λ.", "Explain a mask ranked by scores.")
    layers, heads, neurons = scores.shape
    width = heads if unit == "head" else neurons
    if not (0 <= layer < layers and 0 <= index < width):
        raise NotFound(
            f"There is no {unit} {index} in layer {layer}.",
            f"Layers are 0 to {layers - 1}, {unit}s 0 to {width - 1}.",
        )


def _matrices(scores: Scores, unit: str) -> tuple[Matrix, Matrix]:
    if unit == "head":
        return scores.head_expressiveness, scores.head_friendliness
    return scores.neuron_expressiveness, scores.neuron_friendliness


def _pool(scores: Scores, unit: str, params: MaskParams) -> Pool:
    """All units that this one is ranked among, on the scale that λ mixes."""
    which = 0 if unit == "head" else 1
    expressiveness, friendliness = (
        masking.knowledgeableness(scores, lam, params.normalise)[which] for lam in (1.0, 0.0)
    )
    count = masking.removed(expressiveness.size, _sparsity(params, unit))
    return Pool(expressiveness, friendliness, count, _round_to(params, unit))


def _sparsity(params: MaskParams, unit: str) -> float:
    own = params.neuron_sparsity
    return params.sparsity if unit == "head" or own is None else own


def _round_to(params: MaskParams, unit: str) -> int:
    return 1 if unit == "head" else params.round_to


def _place(values: Matrix, own: int) -> int:
    """The place in the order of removal, from 1; ties by (layer, index)."""
    flat = values.ravel()
    return 1 + int((flat < flat[own]).sum() + (flat[:own] == flat[own]).sum())


def _ordered(values: Matrix, place: int) -> float | None:
    """The value at a place of the order of removal, from 0; None beyond its ends."""
    if not 0 <= place < values.size:
        return None
    return float(np.partition(values.ravel(), place)[place])


def _goes_at(worth: Matrix, round_to: int, layer: int, index: int) -> float | None:
    """The smallest sparsity at which the unit goes: where round(p · pool) reaches its place.

    With rounding it goes once enough units of its layer are among the lowest.
    """
    width = worth.shape[1]
    before = _place(worth[layer], index) - 1
    gone = masking.rounded(np.arange(width + 1), round_to, width)
    enough = int(np.searchsorted(gone, before, side="right"))
    if enough > width:  # a layer whose width is no multiple keeps a remainder
        return None
    last = int(np.argsort(worth[layer], kind="stable")[enough - 1])
    needed = _place(worth, layer * width + last)
    if masking.going(worth, needed, round_to).all():
        return None
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (
            (low, middle) if masking.removed(worth.size, middle) >= needed else (middle, high)
        )
    return high
