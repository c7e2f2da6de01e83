"""At which λ one unit goes: whole spans of [0, 1], found by bounds, not on a grid.

A unit's knowledgeableness is a line in λ, so a unit that ranks below another at both ends of an
interval ranks below it all the way. Such bounds settle an interval, or it is halved, and only the
units that still matter are looked at again. What is left are places where the fate changes; they
are narrowed with the mask's own arithmetic to two neighbouring floating-point numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsekd.units.masking import going, rounded
from sparsekd.units.scores import Counts, Matrix

Places = NDArray[np.int64]

NARROW = 2.0**-40  # below this width two changes of fate are not told apart


@dataclass(frozen=True)
class Span:
    """A closed interval of λ on which the unit has one fate."""

    start: float
    end: float
    goes: bool


@dataclass(frozen=True, eq=False)
class Pool:
    """All heads, or all neurons, and how many of them go.

    Shapes: expressiveness, friendliness (L, U), on the scale on which λ mixes them.
    """

    expressiveness: Matrix
    friendliness: Matrix
    count: int
    round_to: int = 1

    def worth(self, lam: float) -> Matrix:
        """Knowledgeableness, in the arithmetic of `masking.knowledgeableness`."""
        mixed: Matrix = lam * self.expressiveness + (1 - lam) * self.friendliness
        return mixed

    def of(self, places: Places, lam: float) -> Matrix:
        """The same, of some units counted through all layers."""
        e, f = self.expressiveness.ravel()[places], self.friendliness.ravel()[places]
        mixed: Matrix = lam * e + (1 - lam) * f
        return mixed


def spans(pool: Pool, layer: int, index: int) -> list[Span]:
    """The fate of one unit over all λ, from 0 to 1; the next span starts at the next float.

    A touch at a single λ that no bisection point and no hundredth meets stays unseen.
    """
    own = layer * pool.expressiveness.shape[1] + index

    def goes(lam: float) -> bool:
        return bool(going(pool.worth(lam), pool.count, pool.round_to)[layer, index])

    if pool.count in (0, pool.expressiveness.size):
        return [Span(0.0, 1.0, goes(0.5))]
    bounds = _Ranked.start(pool, own) if pool.round_to == 1 else _Rounded.start(pool, own)
    found: list[Span] = []
    for span in _settled(bounds, goes, 0.0, 1.0):
        if found and found[-1].goes == span.goes:
            found[-1] = replace(found[-1], end=span.end)
        else:
            found.append(span)
    return found


def _settled(
    bounds: "_Ranked | _Rounded", goes: Callable[[float], bool], start: float, end: float
) -> Iterator[Span]:
    narrower = bounds.on(start, end)
    if isinstance(narrower, bool):
        yield Span(start, end, narrower)
    elif end - start <= NARROW:
        yield from _narrowed(goes, start, end)
    else:
        middle = _middle(start, end)
        yield from _settled(narrower, goes, start, middle)
        yield from _settled(narrower, goes, middle, end)


def _middle(start: float, end: float) -> float:
    """A hundredth, where the sliders stand, as long as there is one in between."""
    middle = (start + end) / 2
    hundredth = round(middle, 2)
    return hundredth if start < hundredth < end else middle


def _narrowed(goes: Callable[[float], bool], start: float, end: float) -> Iterator[Span]:
    """One or two spans; the border between two lies between neighbouring numbers."""
    first, last = goes(start), goes(end)
    if first == last:
        yield Span(start, end, first)
        return
    left, right = start, end
    while left < (middle := (left + right) / 2) < right:
        left, right = (middle, right) if goes(middle) == first else (left, middle)
    yield Span(start, left, first)
    yield Span(right, end, last)


# --- bounds ----------------------------------------------------------------------------------


def _across(pool: Pool, own: int, places: Places, ends: tuple[float, float]) -> tuple[int, Places]:
    """How many of `places` rank before `own` on the whole interval, and which only on a part."""
    before = []
    for lam in ends:
        values, mine = pool.of(places, lam), pool.of(np.array([own]), lam)
        before.append((values < mine) | ((values == mine) & (places < own)))
    always = before[0] & before[1]
    return int(always.sum()), places[before[0] ^ before[1]]


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Without rounding: the unit goes while fewer than `count` units rank before it."""

    pool: Pool
    own: int
    before: int
    crossing: Places

    @classmethod
    def start(cls, pool: Pool, own: int) -> "_Ranked":
        return cls(pool, own, 0, np.delete(np.arange(pool.expressiveness.size), own))

    def on(self, start: float, end: float) -> "bool | _Ranked":
        """The fate on the whole interval, or what is known for its halves."""
        more, crossing = _across(self.pool, self.own, self.crossing, (start, end))
        before = self.before + more
        if before >= self.pool.count:
            return False
        if before + len(crossing) < self.pool.count:
            return True
        return _Ranked(self.pool, self.own, before, crossing)


@dataclass(frozen=True, eq=False)
class _Rounded:
    """With rounding: it goes while its rank in its layer is below what goes there, rounded.

    `active` are the units that may cross the cut through all layers, `below` counts those under
    it in the unit's layer and elsewhere; `crossing` and `before` are the rank within the layer.
    """

    pool: Pool
    own: int
    gone_of: Counts
    active: Places
    below: tuple[int, int]
    before: int
    crossing: Places

    @classmethod
    def start(cls, pool: Pool, own: int) -> "_Rounded":
        width = pool.expressiveness.shape[1]
        gone_of = rounded(np.arange(width + 1), pool.round_to, width)
        everything = np.arange(pool.expressiveness.size)
        first = own - own % width
        layer = np.delete(everything[first : first + width], own - first)
        return cls(pool, own, gone_of, everything, (0, 0), 0, layer)

    def on(self, start: float, end: float) -> "bool | _Rounded":
        """The fate on the whole interval, or what is known for its halves."""
        more, crossing = _across(self.pool, self.own, self.crossing, (start, end))
        before = self.before + more
        active, below = self._near_the_cut(start, end)
        least, most = self._going_here(active, below)
        if self.gone_of[most] <= before:
            return False
        if self.gone_of[least] > before + len(crossing):
            return True
        return replace(self, active=active, below=below, before=before, crossing=crossing)

    def _near_the_cut(self, start: float, end: float) -> tuple[Places, tuple[int, int]]:
        """Leave out who is above or below the last unit to go on the whole interval."""
        ends = np.stack([self.pool.of(self.active, lam) for lam in (start, end)])
        low, high = ends.min(axis=0), ends.max(axis=0)
        left = self.pool.count - sum(self.below) - 1
        under = high < np.partition(low, left)[left]
        near = ~under & (low <= np.partition(high, left)[left])
        here = int(self._in_layer(self.active[under]).sum())
        there = int(under.sum()) - here
        return self.active[near], (self.below[0] + here, self.below[1] + there)

    def _going_here(self, active: Places, below: tuple[int, int]) -> tuple[int, int]:
        """The fewest and the most units of the layer that go, before rounding."""
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
