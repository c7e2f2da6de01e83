"""Which queued runs start now, and where: by free slots, and by the memory that they will take."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sparsekd.runs import stacking, store
from sparsekd.runs.records import Run, State
from sparsekd.scheduler.executors import Place

Peak = Callable[[Run, str], int | None]
"""Estimates the bytes that a run takes of a place at its peak."""


@dataclass(frozen=True)
class Assignment:
    """Runs of one worker, with the place, and the slots and memory that they get there.

    `memory` is the estimate of their peak in bytes; 0 where the place's memory is unknown.
    """

    runs: tuple[Run, ...]
    place: str
    slots: int
    memory: int = 0


def assign(
    queued: Sequence[Run],
    places: Sequence[Place],
    busy: Mapping[str, int],
    used: Mapping[str, int] | None = None,
    peak: Peak = lambda run, place: None,
) -> list[Assignment]:
    """Assign queued runs to free slots, in order.

    The processor is for runs that name it, unless it is the only place. Its slots that no run
    waits for are added to those that start; a run that has failed gets its place to itself, and
    so does one whose estimate is more than the place's memory. Until there is room for the next
    run, no later one starts in its place.

    Args:
        busy: The slots that are taken, by place; `used`, their memory in bytes.
    """
    rooms = {
        each.name: _Room(each, busy.get(each.name, 0), (used or {}).get(each.name, 0), peak)
        for each in places
    }
    automatic = [name for name in rooms if name != "cpu"] or list(rooms)
    inputs = store.get_many({needed for run in queued for needed in run.recipe.needs})
    ready = {name for name, run in inputs.items() if run.state is State.DONE}
    able = [run for run in queued if ready.issuperset(run.recipe.needs)]
    taken: set[str] = set()
    for run in able:
        if run.id in taken:
            continue
        fits = [n for n in (automatic if run.device == "auto" else [run.device]) if n in rooms]
        room = next((rooms[n] for n in fits if rooms[n].fits(run)), None)
        if room is not None:
            taken |= room.add(run, [r for r in able if r.id not in taken])
            continue
        waits = fits if run.failures else [n for n in fits if rooms[n].free > 0]
        for name in waits[:1]:
            rooms[name].free = 0  # no other run starts there until this one can
    return [each for room in rooms.values() for each in room.assignments()]


def part(place: Place) -> int:
    """Return the bytes of one of a place's slots, for a run whose peak is unknown."""
    return place.memory // place.slots


class _Room:
    """The free slots and memory of a place, and the runs that start there."""

    def __init__(self, place: Place, busy: int, used: int, peak: Peak) -> None:
        self.place, self.peak = place, peak
        self.free, self.memory = place.slots - busy, place.memory - used
        self.empty = not busy
        self.stacks: list[tuple[tuple[Run, ...], int]] = []

    def needs(self, run: Run) -> int:
        """Return the bytes that a run takes; 0 where the place's memory is unknown."""
        if not self.place.memory:
            return 0
        peak = self.peak(run, self.place.name)
        return part(self.place) if peak is None else peak

    def fits(self, run: Run) -> bool:
        """Return whether a run can start now: where nothing else runs, in any case."""
        if self.free < (self.place.slots if run.failures else 1):
            return False
        return self.needs(run) <= self.memory or (self.empty and not self.stacks)

    def add(self, run: Run, others: Sequence[Run]) -> set[str]:
        """Start a run with those of its stack that fit beside it; return their ids."""
        need = self.needs(run)
        most = max(1, self.memory // need) if need else len(others)
        stack = _stack(run, self.place.name, others)[:most]
        self.free -= self.place.slots if run.failures else 1
        self.memory -= need * len(stack)
        self.stacks.append((stack, need * len(stack)))
        return {each.id for each in stack}

    def assignments(self) -> list[Assignment]:
        """Return the assignments, the processor's spare slots dealt out among them."""
        spare = self.free if self.place.name == "cpu" and self.free > 0 else 0
        return [
            Assignment(runs, self.place.name, self._slots(runs) + extra, memory)
            for (runs, memory), extra in zip(
                self.stacks, _deal(spare, len(self.stacks)), strict=True
            )
        ]

    def _slots(self, runs: Sequence[Run]) -> int:
        return self.place.slots if runs[0].failures else 1


def _stack(run: Run, place: str, others: Sequence[Run]) -> tuple[Run, ...]:
    """Return a run with those of its stack, as many as were measured to be fastest."""
    most = 1 if run.failures else stacking.stack_size(place, run.recipe)
    if most == 1:
        return (run,)
    key = stacking.stack_key(run.recipe)
    fit = [
        other
        for other in others
        if other.id != run.id
        and not other.failures
        and other.device == run.device
        and stacking.stack_key(other.recipe) == key
    ]
    return (run, *fit[: most - 1])


def _deal(slots: int, runs: int) -> list[int]:
    """Deal out slots one by one: a further core is a further thread."""
    return [len(range(place, slots, runs)) for place in range(runs)]
