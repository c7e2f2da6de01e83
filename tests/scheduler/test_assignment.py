"""Runs share a device by the memory that they will take."""

from collections.abc import Callable

import pytest

from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Recipe, Run, State
from sparsekd.scheduler.assignment import assign
from sparsekd.scheduler.executors import Place
from sparsekd.scheduler.executors.local import memory_share

pytestmark = pytest.mark.usefixtures("home")
GPU = Place("cuda:0", slots=4, memory=80)


def queued(*peaks: int | None) -> Callable[[Run, str], int | None]:
    """Queue one run per peak; the estimate of each."""
    runs = [store.create(Recipe("finetune", "t", seed=seed)) for seed in range(len(peaks))]
    known = {run.id: peak for run, peak in zip(runs, peaks, strict=True)}
    return lambda run, place: known[run.id]


def started(peak: Callable[[Run, str], int | None], busy: int = 0, used: int = 0) -> list[int]:
    found = assign(store.queued(), [GPU], {"cuda:0": busy}, {"cuda:0": used}, peak)
    return [one.memory for one in found]


def test_runs_start_side_by_side_as_long_as_their_memory_fits():
    assert started(queued(30, 30, 15, 10)) == [30, 30, 15]


def test_what_is_at_work_counts():
    assert started(queued(30, 15), busy=1, used=50) == [30]
    assert started(queued(30, 15), busy=1, used=51) == []  # the second would overtake the first


def test_no_later_run_takes_the_room_that_the_next_one_waits_for():
    assert started(queued(60, 60, 10)) == [60]


def test_a_run_that_may_not_fit_has_the_device_to_itself():
    assert started(queued(90, 5)) == [90]
    assert started(queued(90, 5), busy=1, used=5) == []


def test_a_run_of_unknown_size_counts_as_its_part_of_the_slots():
    assert started(queued(None, None, 30, 30)) == [20, 20, 30]


def test_without_a_known_memory_only_slots_count():
    found = assign(store.queued(), [Place("cuda:0", 2)], {}, {}, queued(10**9, 10**9))
    assert found == []
    peak = queued(10**9, 10**9, 1)
    found = assign(store.queued(), [Place("cuda:0", 2)], {}, {}, peak)
    assert [one.memory for one in found] == [0, 0]


def test_a_run_that_has_failed_still_gets_the_whole_device():
    peak = queued(5, 5)
    first = store.queued()[0]
    store.finish(first.id, State.FAILED, Outcome(), 1.0)
    store.retry(first.id)
    assert [one.slots for one in assign(store.queued(), [GPU], {}, {}, peak)] == [4]


def test_a_worker_may_take_its_estimates_part_of_the_memory():
    assert memory_share(1, 4, memory=20, of_memory=80) == 0.25
    assert memory_share(1, 4, memory=60, of_memory=80) == 0.75
    assert memory_share(1, 4, memory=90, of_memory=80) == 1.0
    assert memory_share(4, 4, memory=20, of_memory=80) == 1.0  # alone: all of it
    assert memory_share(1, 4, memory=0, of_memory=80) == 0.25
