"""The λ at which one unit is removed: exact spans of [0, 1], found by bounds, not on a grid.

A unit's knowledgeableness is linear in λ, so a unit that ranks below another at both ends of an
interval ranks below it throughout. Such bounds decide an interval, or it is bisected, and only the
units that are still undecided are compared again. What is left are breakpoints; they are narrowed
with the mask's own arithmetic to two neighbouring floating-point numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsekd.units.removal import removal_flags, round_counts
from sparsekd.units.scores import Counts, Matrix

Places = NDArray[np.int64]

NARROWEST = 2.0**-40  # breakpoints closer than this are not separated


@dataclass(frozen=True)
class Span:
    """A closed interval of λ on which the unit is always removed, or always kept."""

    start: float
    end: float
    removed: bool


@dataclass(frozen=True, eq=False)
class Pool:
    """All heads, or all neurons, and how many of them are removed.

    Shapes: expressiveness, friendliness (L, U), on the scale on which λ mixes them.
    """

    expressiveness: Matrix
    friendliness: Matrix
    count: int
    round_to: int = 1

    def knowledgeableness(self, lam: float) -> Matrix:
        """Return knowledgeableness by the arithmetic of `masking.knowledgeableness`."""
        mixed: Matrix = lam * self.expressiveness + (1 - lam) * self.friendliness
        return mixed

    def of(self, places: Places, lam: float) -> Matrix:
        """Return the knowledgeableness of some units, by their flat indices."""
        e, f = self.expressiveness.ravel()[places], self.friendliness.ravel()[places]
        mixed: Matrix = lam * e + (1 - lam) * f
        return mixed


def spans(pool: Pool, layer: int, index: int) -> list[Span]:
    """Return where one unit is removed or kept, from λ 0 to 1; a span starts at the next float.

    A change at a single λ that is neither a bisection point nor a hundredth is not found.
    """
    own = layer * pool.expressiveness.shape[1] + index

    def removed(lam: float) -> bool:
        flags = removal_flags(pool.knowledgeableness(lam), pool.count, pool.round_to)
        return bool(flags[layer, index])

    if pool.count in (0, pool.expressiveness.size):
        return [Span(0.0, 1.0, removed(0.5))]
    bounds = _Ranked.start(pool, own) if pool.round_to == 1 else _Rounded.start(pool, own)
    found: list[Span] = []
    for span in _decided(bounds, removed, 0.0, 1.0):
        if found and found[-1].removed == span.removed:
            found[-1] = replace(found[-1], end=span.end)
        else:
            found.append(span)
    return found


def _decided(
    bounds: "_Ranked | _Rounded", removed: Callable[[float], bool], start: float, end: float
) -> Iterator[Span]:
    narrower = bounds.narrow(start, end)
    if isinstance(narrower, bool):
        yield Span(start, end, narrower)
    elif end - start <= NARROWEST:
        yield from _narrowed(removed, start, end)
    else:
        middle = _middle(start, end)
        yield from _decided(narrower, removed, start, middle)
        yield from _decided(narrower, removed, middle, end)


def _middle(start: float, end: float) -> float:
    """Return a hundredth, the step of the sliders, where there is one in between."""
    middle = (start + end) / 2
    hundredth = round(middle, 2)
    return hundredth if start < hundredth < end else middle


def _narrowed(removed: Callable[[float], bool], start: float, end: float) -> Iterator[Span]:
    """Yield one or two spans; two meet at neighbouring floating-point numbers."""
    first, last = removed(start), removed(end)
    if first == last:
        yield Span(start, end, first)
        return
    left, right = start, end
    while left < (middle := (left + right) / 2) < right:
        left, right = (middle, right) if removed(middle) == first else (left, middle)
    yield Span(start, left, first)
    yield Span(right, end, last)


# --- bounds ----------------------------------------------------------------------------------


def _across(pool: Pool, own: int, places: Places, ends: tuple[float, float]) -> tuple[int, Places]:
    """Return how many of `places` rank before `own` throughout, and which only on a part."""
    before = []
    for lam in ends:
        values, mine = pool.of(places, lam), pool.of(np.array([own]), lam)
        before.append((values < mine) | ((values == mine) & (places < own)))
    always = before[0] & before[1]
    return int(always.sum()), places[before[0] ^ before[1]]


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Bounds without rounding: the unit is removed while fewer than `count` rank before it."""

    pool: Pool
    own: int
    before: int
    crossing: Places

    @classmethod
    def start(cls, pool: Pool, own: int) -> "_Ranked":
        return cls(pool, own, 0, np.delete(np.arange(pool.expressiveness.size), own))

    def narrow(self, start: float, end: float) -> "bool | _Ranked":
        """Return removed or kept where that holds throughout, otherwise the narrower bounds."""
        more, crossing = _across(self.pool, self.own, self.crossing, (start, end))
        before = self.before + more
        if before >= self.pool.count:
            return False
        if before + len(crossing) < self.pool.count:
            return True
        return _Ranked(self.pool, self.own, before, crossing)


@dataclass(frozen=True, eq=False)
class _Rounded:
    """Bounds with rounding: the unit is removed while its rank in its layer is below the count.

    `removed_of` maps the units of the layer below the threshold to the rounded count. `active` are
    the units that may cross the threshold of all layers, `below` counts those under it in the
    unit's layer and elsewhere; `crossing` and `before` are the rank within the layer.
    """

    pool: Pool
    own: int
    removed_of: Counts
    active: Places
    below: tuple[int, int]
    before: int
    crossing: Places

    @classmethod
    def start(cls, pool: Pool, own: int) -> "_Rounded":
        width = pool.expressiveness.shape[1]
        removed_of = round_counts(np.arange(width + 1), pool.round_to, width)
        all_units = np.arange(pool.expressiveness.size)
        first = own - own % width
        layer = np.delete(all_units[first : first + width], own - first)
        return cls(pool, own, removed_of, all_units, (0, 0), 0, layer)

    def narrow(self, start: float, end: float) -> "bool | _Rounded":
        """Return removed or kept where that holds throughout, otherwise the narrower bounds."""
        more, crossing = _across(self.pool, self.own, self.crossing, (start, end))
        before = self.before + more
        active, below = self._near_threshold(start, end)
        least, most = self._removed_here(active, below)
        if self.removed_of[most] <= before:
            return False
        if self.removed_of[least] > before + len(crossing):
            return True
        return replace(self, active=active, below=below, before=before, crossing=crossing)

    def _near_threshold(self, start: float, end: float) -> tuple[Places, tuple[int, int]]:
        """Drop the units that are above or below the last removed unit throughout."""
        ends = np.stack([self.pool.of(self.active, lam) for lam in (start, end)])
        low, high = ends.min(axis=0), ends.max(axis=0)
        left = self.pool.count - sum(self.below) - 1
        under = high < np.partition(low, left)[left]
        near = ~under & (low <= np.partition(high, left)[left])
        here = int(self._in_layer(self.active[under]).sum())
        there = int(under.sum()) - here
        return self.active[near], (self.below[0] + here, self.below[1] + there)

    def _removed_here(self, active: Places, below: tuple[int, int]) -> tuple[int, int]:
        """Return the fewest and the most units of the layer that are removed, before rounding."""
        left = self.pool.count - sum(below)
        if self._all_equal(active):  # then the order of (layer, index) decides
            exact = below[0] + int(self._in_layer(active[:left]).sum())
            return exact, exact
        here = int(self._in_layer(active).sum())
        return below[0] + max(0, left - (len(active) - here)), below[0] + min(here, left)

    def _in_layer(self, places: Places) -> NDArray[Any]:
        width = self.pool.expressiveness.shape[1]
        same: NDArray[Any] = places // width == self.own // width
        return same

    def _all_equal(self, places: Places) -> bool:
        e, f = self.pool.expressiveness.ravel()[places], self.pool.friendliness.ravel()[places]
        return bool(np.ptp(e) == 0 and np.ptp(f) == 0)
