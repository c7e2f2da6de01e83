"""Why a unit is removed or kept: its scores, its rank, the λ and sparsity at which that changes.

Everything is computed from the scores by the mask's own arithmetic; nothing is estimated.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput, NotFound, unknown
from sparsekd.units import harm, masking, removal
from sparsekd.units.ablation import Ablation
from sparsekd.units.harm import Effect
from sparsekd.units.lambda_spans import Pool, Span, spans
from sparsekd.units.scores import Matrix, Scores

JSON_NAMES = {
    "highest_removed": "highest_that_goes",
    "lowest_kept": "lowest_that_stays",
    "removed": "goes",
    "removed_unrounded": "goes_unrounded",
    "removal_sparsity": "goes_at",
}
"""Names in JSON where they differ: scripts rely on them."""


@dataclass(frozen=True)
class LayerContext:
    """The unit within its layer: its place in the order of removal, from 1, and who is removed."""

    place: int
    units: int
    removed: int
    mean_knowledgeableness: float


@dataclass(frozen=True)
class Explanation:
    """Everything known about one head or neuron under one mask; layer and index count from 0.

    `place` 1 is the first of the `pool` to be removed; before rounding, the first `count` are:
    those up to `highest_removed`, while the others, from `lowest_kept` on, are kept.
    `removal_sparsity` is the smallest sparsity at which the unit is removed; None where a mask
    that removed it would keep nothing.
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
    highest_removed: float | None
    lowest_kept: float | None
    removed: bool
    removed_unrounded: bool
    removal_sparsity: float | None
    spans: tuple[Span, ...]
    context: LayerContext
    effect: Effect | None

    @property
    def sparsity(self) -> float:
        """The share of this unit's pool that is removed."""
        return _sparsity(self.params, self.unit)

    @property
    def round_to(self) -> int:
        """The multiple to which removals per layer are rounded; heads are never rounded."""
        return _round_to(self.params, self.unit)

    @property
    def rank(self) -> int:
        """The rank by knowledgeableness, 1 the highest."""
        return self.pool - self.place + 1

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Every λ at which the unit changes between removed and kept."""
        return tuple(span.start for span in self.spans[1:])

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the parameters of the mask beside them."""
        values = asdict(self) | self.params.values() | {"flips": list(self.breakpoints)}
        values |= {"rank": self.rank, "threshold": self.lowest_kept}
        values |= {"sparsity": self.sparsity, "round_to": self.round_to}
        values["spans"] = tuple(
            {"start": span.start, "end": span.end, "goes": span.removed} for span in self.spans
        )
        values["context"]["going"] = values["context"].pop("removed")
        return {
            JSON_NAMES.get(name, name): value
            for name, value in values.items()
            if name not in ("params", "kind")
        }


def explain(
    scores: Scores,
    unit: str,
    layer: int,
    index: int,
    params: MaskParams,
    ablation: Ablation | None = None,
) -> Explanation:
    """Explain whether and why one unit is removed at this λ and sparsity.

    Args:
        unit: "head" or "neuron".
        layer, index: Counted from 0.

    Raises:
        NotFound: the teacher has no such unit.
        BadInput: a mask that is not ranked by scores, or that would empty every layer.
        Incompatible: the ablation is of another teacher.
    """
    _check(scores, unit, layer, index, params)
    mask = masking.build(scores, params)
    pool = _pool(scores, unit, params)
    values = pool.knowledgeableness(params.lam)
    removed = ~(mask.heads if unit == "head" else mask.neurons)
    raw = _matrices(scores, unit)
    if ablation is not None:
        harm.check_same_teacher(scores.shape, ablation)
    return Explanation(
        unit=unit,
        layer=layer,
        index=index,
        params=params,
        expressiveness=float(raw[0][layer, index]),
        friendliness=float(raw[1][layer, index]),
        normalised_expressiveness=float(masking.normalised(raw[0])[layer, index]),
        normalised_friendliness=float(masking.normalised(raw[1])[layer, index]),
        knowledgeableness=float(values[layer, index]),
        place=removal.place(values, layer * values.shape[1] + index),
        pool=values.size,
        count=pool.count,
        highest_removed=_ordered(values, pool.count - 1),
        lowest_kept=_ordered(values, pool.count),
        removed=bool(removed[layer, index]),
        removed_unrounded=bool(removal.removal_flags(values, pool.count)[layer, index]),
        removal_sparsity=_removal_sparsity(values, pool.round_to, layer, index),
        spans=tuple(spans(pool, layer, index)),
        context=LayerContext(
            removal.place(values[layer], index),
            values.shape[1],
            int(removed[layer].sum()),
            float(values[layer].mean()),
        ),
        effect=None if ablation is None else harm.of_unit(ablation, unit, layer, index),
    )


def _check(scores: Scores, unit: str, layer: int, index: int, params: MaskParams) -> None:
    if unit not in ("head", "neuron"):
        raise unknown("unit", unit, ("head", "neuron"))
    if params.kind != "scores":
        raise BadInput(
            f"A {params.kind} mask does not depend on λ.", "Explain a mask ranked by scores."
        )
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
    """Return all units that this one is ranked among, on the scale that λ mixes."""
    which = 0 if unit == "head" else 1
    expressiveness, friendliness = (
        masking.knowledgeableness(scores, lam, params.normalise)[which] for lam in (1.0, 0.0)
    )
    count = removal.removal_count(expressiveness.size, _sparsity(params, unit))
    return Pool(expressiveness, friendliness, count, _round_to(params, unit))


def _sparsity(params: MaskParams, unit: str) -> float:
    own = params.neuron_sparsity
    return params.sparsity if unit == "head" or own is None else own


def _round_to(params: MaskParams, unit: str) -> int:
    return 1 if unit == "head" else params.round_to


def _ordered(values: Matrix, place: int) -> float | None:
    """Return the value at a place, from 0, of the order of removal; None beyond its ends."""
    if not 0 <= place < values.size:
        return None
    return float(np.partition(values.ravel(), place)[place])


def _removal_sparsity(values: Matrix, round_to: int, layer: int, index: int) -> float | None:
    """Return the smallest sparsity p at which the unit is removed: round(p · pool) ≥ its place.

    With rounding it is removed once enough units of its layer are among the lowest.
    """
    width = values.shape[1]
    before = removal.place(values[layer], index) - 1
    rounded = removal.round_counts(np.arange(width + 1), round_to, width)
    enough = int(np.searchsorted(rounded, before, side="right"))
    if enough > width:  # a layer whose width is no multiple keeps a remainder
        return None
    last = int(np.argsort(values[layer], kind="stable")[enough - 1])
    needed = removal.place(values, layer * width + last)
    if removal.removal_flags(values, needed, round_to).all():
        return None
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        reached = removal.removal_count(values.size, middle) >= needed
        low, high = (low, middle) if reached else (middle, high)
    return high
