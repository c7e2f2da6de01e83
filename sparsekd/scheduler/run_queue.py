"""The queue process: starts runs as their inputs and a device are ready.

Each run works in a process of its own. One queue process per store, started when something is
submitted, hands out the slots of each device and leaves when nothing is left to start.
"""

import importlib
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsekd.errors import SparseKDError
from sparsekd.runs import jobs, stacking, store
from sparsekd.runs.records import Outcome, Run, State
from sparsekd.scheduler import executors
from sparsekd.scheduler.executors import Executor, Place
from sparsekd.system import locks

PAUSE = 0.1  # seconds between two polls of the workers
IDLE = 0.5  # seconds between two reads of a queue in which nothing can start


@dataclass(frozen=True)
class Assignment:
    """Runs of one worker, with the place and the number of slots that they get there."""

    runs: tuple[Run, ...]
    place: str
    slots: int


def serve() -> None:
    """Start queued runs as their inputs and a device are ready; return when none can start.

    Raises:
        BadInput: another queue process is running.
    """
    store.prepare()  # an earlier format is brought up to date only while no queue is at work
    with locks.hold_lock(jobs.queue_lock(), "Another queue process is at work."):
        try:
            executor = executors.selected()
            try:
                queue = Queue(executor)
                jobs.clear_queue_error()
                queue.serve()
            finally:
                executor.close()
        except SparseKDError as error:
            jobs.save_queue_error(error)
            raise


class Queue:
    """The runs at work on an executor, and those that can start."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.places = executor.places()
        self.slots = sum(place.slots for place in self.places)
        self.working: dict[str, Assignment] = {}
        self.assigned: dict[str, float] = {}  # when, by run; as of `time.time`
        self.last_read = 0.0

    def serve(self) -> None:
        """Start runs until none is at work and none can start."""
        while True:
            if self.reap() or time.monotonic() - self.last_read > IDLE:
                self.last_read = time.monotonic()
                others = self.foreign_slots()
                free = sum(one.slots for one in self.assignments()) < self.slots
                if free:  # otherwise none can start, and the queue is not read
                    self.start(others)
                if not self.working and not others:
                    return
                for run in store.cancel_requests(self.working):
                    self.executor.cancel(run)
            time.sleep(PAUSE)

    def start(self, others: Mapping[str, int]) -> None:
        """Start the runs that can start now."""
        busy = Counter(others)
        for at_work in self.assignments():
            busy[at_work.place] += at_work.slots
        waiting = [run for run in store.queued() if run.id not in self.working]
        for one in assign(waiting, self.places, busy):
            self.assigned |= dict.fromkeys((run.id for run in one.runs), time.time())
            self.executor.start(one.runs, one.place, one.slots)
            self.working |= {run.id: one for run in one.runs}

    def assignments(self) -> list[Assignment]:
        """Return the assignment of each worker, however many of its runs have not ended."""
        return list({one.runs[0].id: one for one in self.working.values()}.values())

    def foreign_slots(self) -> dict[str, int]:
        """Return the slots, by place, of workers that an earlier queue process has started."""
        running = store.running()
        return Counter(run.device for run in running if run.id not in self.working)

    def reap(self) -> bool:
        """Read which workers have ended, and retry runs that failed for no lasting reason."""
        gone = self.executor.ended()
        for run_id, how in gone.items():
            self.working.pop(run_id, None)
            assigned = self.assigned.pop(run_id, 0.0)
            run = store.get_many([run_id]).get(run_id)
            if run is None:
                continue
            # One that had begun was resumed since.
            if run.state is State.QUEUED and (run.started or 0.0) < assigned:
                message = f"The worker ended ({how or 'without a word'}) before it could begin."
                outcome = Outcome(message=message, hint="The log of the run says why.")
                store.finish(run_id, State.FAILED, outcome, 0.0)
                run = store.get(run_id)
            if run.retries and _may_succeed(run):
                store.retry(run_id)
        return bool(gone)


def _may_succeed(run: Run) -> bool:
    """Return whether a retry may succeed: the run was killed, or its failure is not lasting."""
    failed = run.state is State.FAILED and not run.outcome.lasting
    return failed or run.state is State.INTERRUPTED


def assign(
    queued: Sequence[Run], places: Sequence[Place], busy: Mapping[str, int]
) -> list[Assignment]:
    """Assign queued runs to free slots, in order.

    The processor is for runs that name it, unless it is the only place. Its slots that no run
    waits for are added to those that start; a run that has failed gets its place to itself.
    """
    free = {place.name: place.slots - busy.get(place.name, 0) for place in places}
    whole = {place.name: place.slots for place in places}
    automatic = [name for name in whole if name != "cpu"] or list(whole)
    inputs = store.get_many({needed for run in queued for needed in run.recipe.needs})
    ready = {name for name, run in inputs.items() if run.state is State.DONE}
    chosen: dict[str, list[tuple[Run, ...]]] = {name: [] for name in whole}
    able = [run for run in queued if ready.issuperset(run.recipe.needs)]
    taken: set[str] = set()
    for run in able:
        if run.id in taken:
            continue
        fits = [n for n in (automatic if run.device == "auto" else [run.device]) if n in whole]
        place = next((n for n in fits if free[n] >= (whole[n] if run.failures else 1)), None)
        if place is not None:
            free[place] -= whole[place] if run.failures else 1
            chosen[place].append(_stack(run, place, [r for r in able if r.id not in taken]))
            taken |= {each.id for each in chosen[place][-1]}
        elif run.failures and fits:
            free[fits[0]] = 0  # no other run starts there until it is empty
    return [
        Assignment(runs, name, whole[name] if runs[0].failures else 1 + spare)
        for name, stacks in chosen.items()
        for runs, spare in zip(
            stacks, _deal(free[name] * (name == "cpu"), len(stacks)), strict=True
        )
    ]


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


def main() -> int:
    """Serve until no run can start, and return the exit code."""
    try:
        serve()
    except SparseKDError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    # Not this module's copy called __main__: workers must find its functions by name.
    sys.exit(importlib.import_module("sparsekd.scheduler.run_queue").main())
