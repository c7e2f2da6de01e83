"""The queue process: starts runs as their inputs and a device are ready.

Each run works in a process of its own. One queue process per store, started when something is
submitted, hands out the slots of each device and leaves when nothing is left to start.
"""

import importlib
import sys
import time
from collections import Counter
from collections.abc import Mapping

from sparsekd.errors import SparseKDError
from sparsekd.runs import jobs, store
from sparsekd.runs.peak_memory import Estimator
from sparsekd.runs.records import Outcome, Run, State
from sparsekd.scheduler import executors
from sparsekd.scheduler.assignment import Assignment, assign, part
from sparsekd.scheduler.executors import Executor
from sparsekd.system import locks

PAUSE = 0.1  # seconds between two polls of the workers
IDLE = 0.5  # seconds between two reads of a queue in which nothing can start


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
        self.last_read = 0.0
        self.estimator = Estimator()

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
        used = Counter({one.name: others.get(one.name, 0) * part(one) for one in self.places})
        for at_work in self.assignments():
            used[at_work.place] += at_work.memory
        for one in assign(waiting, self.places, busy, used, self.peak):
            self.executor.start(one.runs, one.place, one.slots, one.memory)
            self.working |= {run.id: one for run in one.runs}

    def peak(self, run: Run, place: str) -> int | None:
        """Return the bytes that a run takes of a place at its peak; None where that is unknown."""
        return self.estimator.peak(run.recipe, place)

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
            assignment = self.working.pop(run_id, None)
            run = store.get_many([run_id]).get(run_id)
            if run is None:
                continue
            if run.state is State.QUEUED and not _had_begun(run, assignment):
                message = f"The worker ended ({how or 'without a word'}) before it could begin."
                outcome = Outcome(message=message, hint="The log of the run says why.")
                store.finish(run_id, State.FAILED, outcome, 0.0)
                run = store.get(run_id)
            if run.retries and _may_succeed(run):
                store.retry(run_id)
        return bool(gone)


def _had_begun(run: Run, assignment: Assignment | None) -> bool:
    """Return whether the worker had begun a queued run, which was then resumed in the meantime."""
    before = assignment.runs if assignment else ()
    return any(run.id == each.id and run.started != each.started for each in before)


def _may_succeed(run: Run) -> bool:
    """Return whether a retry may succeed: the run was killed, or its failure is not lasting."""
    failed = run.state is State.FAILED and not run.outcome.lasting
    return failed or run.state is State.INTERRUPTED


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
