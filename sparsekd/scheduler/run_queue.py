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

PAUSE = 0.1  # seconds between two looks at the workers
IDLE = 0.5  # seconds between two looks at a queue in which nothing can start


@dataclass(frozen=True)
class Start:
    """A run that can begin, in so many slots of a place, and those that train together with it."""

    runs: tuple[Run, ...]
    place: str
    slots: int


def serve() -> None:
    """Start queued runs as their inputs and a device are ready; leave when none can start."""
    store.prepare()  # an earlier format is brought up to date only while no queue is at work
    with locks.hold_lock(jobs.queue_lock(), "Another queue process is at work."):
        try:
            executor = executors.chosen()
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
    """What is at work, on an executor."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.places = executor.places()
        self.slots = sum(place.slots for place in self.places)
        self.working: dict[str, Start] = {}
        self.looked = 0.0

    def serve(self) -> None:
        """Until nothing is at work and nothing can start."""
        while True:
            if self.reap() or time.monotonic() - self.looked > IDLE:
                self.looked = time.monotonic()
                others = self.others()
                free = sum(start.slots for start in self.starts()) < self.slots
                if free:  # otherwise there is nothing to decide, and nothing is read
                    self.start(others)
                if not self.working and not others:
                    return
                for run in store.cancel_requests(self.working):
                    self.executor.cancel(run)
            time.sleep(PAUSE)

    def start(self, others: Mapping[str, int]) -> None:
        """Begin what can begin now."""
        busy = Counter(others)
        for at_work in self.starts():
            busy[at_work.place] += at_work.slots
        waiting = [run for run in store.queued() if run.id not in self.working]
        for one in startable(waiting, self.places, busy):
            self.executor.begin(one.runs, one.place, one.slots)
            self.working |= {run.id: one for run in one.runs}

    def starts(self) -> list[Start]:
        """What is at work: one entry per worker, however many runs are left of it."""
        return list({start.runs[0].id: start for start in self.working.values()}.values())

    def others(self) -> dict[str, int]:
        """Slots held by workers that an earlier queue process has left behind."""
        running = store.running()
        return Counter(run.device for run in running if run.id not in self.working)

    def reap(self) -> bool:
        """See which workers are gone; what may pass is tried once more."""
        gone = self.executor.ended()
        for run_id, how in gone.items():
            self.working.pop(run_id, None)
            run = store.get_many([run_id]).get(run_id)
            if run is None:
                continue
            if run.state is State.QUEUED:
                message = f"The worker ended ({how or 'without a word'}) before it could begin."
                outcome = Outcome(message=message, hint="The log of the run says why.")
                store.finish(run_id, State.FAILED, outcome, 0.0)
                run = store.get(run_id)
            if run.retries and _may_pass(run):
                store.retry(run_id)
        return bool(gone)


def _may_pass(run: Run) -> bool:
    """Whether the same run may end otherwise: it was killed, or failed by no fault of its own."""
    failed = run.state is State.FAILED and not run.outcome.lasting
    return failed or run.state is State.INTERRUPTED


def startable(
    queued: Sequence[Run], places: Sequence[Place], busy: Mapping[str, int]
) -> list[Start]:
    """The queued runs that can start now: in order, as many as there are slots.

    The processor is for those who ask for it, unless it is the only place. Its slots that no run
    waits for go to those that start; a run that has failed gets its place to itself.
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
            free[fits[0]] = 0  # nobody else begins there until it is empty
    return [
        Start(runs, name, whole[name] if runs[0].failures else 1 + spare)
        for name, stacks in chosen.items()
        for runs, spare in zip(
            stacks, _dealt(free[name] * (name == "cpu"), len(stacks)), strict=True
        )
    ]


def _stack(run: Run, place: str, others: Sequence[Run]) -> tuple[Run, ...]:
    """A run with those that may train together with it, as many as was found to be fastest."""
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


def _dealt(slots: int, runs: int) -> list[int]:
    """Slots dealt out one by one: a core more is a thread more."""
    return [len(range(place, slots, runs)) for place in range(runs)]


def main() -> int:
    """Serve until nothing is left to start."""
    try:
        serve()
    except SparseKDError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    # Not this module's copy called __main__: workers must find its functions by name.
    sys.exit(importlib.import_module("sparsekd.scheduler.run_queue").main())
