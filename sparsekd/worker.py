"""The work of one process: one run, or several students trained together.

Imports torch and a model before any run, so that the workers that a queue forks start at once.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
import transformers.models.bert.modeling_bert  # noqa: F401 (loaded before the fork, for speed)

from sparsekd.errors import BadInput, Cancelled, SparseKDError, Unavailable
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, State
from sparsekd.runs.stacking import stack_key
from sparsekd.stages import STAGES, StageContext
from sparsekd.stages.distil import run_stacked


def work(
    run_ids: str | Sequence[str], device: str, threads: int | None = None, share: float = 1.0
) -> None:
    """Execute queued runs, together if their students can be stacked, else one after another.

    Cancelled and finished runs are left as they are.

    Args:
        threads: How many torch may use, where several workers share a processor.
        share: The part of a GPU's memory that this process may take, so that a run that needs
            more fails alone.

    Raises:
        BadInput: another worker executes the run.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if share < 1 and device.startswith("cuda"):
        torch.cuda.set_per_process_memory_fraction(share, device)
    run_ids = [run_ids] if isinstance(run_ids, str) else list(run_ids)
    keys = {stack_key(run.recipe) for run in store.get_many(run_ids).values()}
    if len(run_ids) > 1 and len(keys) == 1 and None not in keys:
        StackedRuns(run_ids, device).work()
        return
    for run_id in run_ids:
        _work(run_id, device)


def _work(run_id: str, device: str) -> None:
    with store.hold_lock(run_id):
        run = store.get(run_id)
        if run.state is not State.QUEUED:
            return
        context = StageContext(run.recipe, device, run.folder)
        signal.signal(signal.SIGTERM, lambda *_: setattr(context, "cancelled", True))
        start = time.monotonic()
        store.start(run_id, device, os.getpid())
        state, outcome = _outcome(context)
        store.finish(run_id, state, outcome, time.monotonic() - start)


class StackedRuns:
    """Runs whose students are trained together; each is locked, started and finished on its own.

    The time that passes is divided among the unfinished runs.
    """

    def __init__(self, run_ids: Sequence[str], device: str) -> None:
        self.run_ids, self.device = run_ids, device
        self.locks: dict[str, ExitStack] = {}
        self.seconds: dict[str, float] = {}
        self.contexts: list[StageContext] = []
        self.signalled = False

    def work(self) -> None:
        """Execute all runs; an error that ends the training is the outcome of the unfinished."""
        try:
            self.lock()
            signal.signal(signal.SIGTERM, lambda *_: setattr(self, "signalled", True))
            self.clock = time.monotonic()
            for context in self.contexts:
                store.start(context.recipe.run_id, self.device, os.getpid())
            for context, state, outcome in self.outcomes():
                self.finish(context.recipe.run_id, state, outcome)
        finally:
            for lock in self.locks.values():
                lock.close()

    def lock(self) -> None:
        """Lock the queued runs and build their contexts; leave out those that are taken."""
        for run_id in self.run_ids:
            lock = ExitStack()
            try:
                lock.enter_context(store.hold_lock(run_id))
            except BadInput as taken:
                sys.stderr.write(f"{taken.message}\n")
                continue
            run = store.get(run_id)
            if run.state is not State.QUEUED:
                lock.close()
                continue
            self.locks[run_id], self.seconds[run_id] = lock, 0.0
            if run_id != self.run_ids[0]:
                _refer_to_log(run.folder / "log.txt", self.run_ids[0])
            context = StageContext(run.recipe, self.device, run.folder, poll=self.poll_signal)
            self.contexts.append(context)

    def poll_signal(self) -> None:
        """After a signal, cancel the runs that are marked as cancelled; all if none is marked.

        To cancel a run is to mark it and then to signal its process, which all runs share.
        """
        if not self.signalled:
            return
        self.signalled = False
        marked = set(store.cancel_requests(self.run_ids))
        for context in self.contexts:
            if not marked or context.recipe.run_id in marked:
                context.cancelled = True

    def outcomes(self) -> Iterator[tuple[StageContext, State, Outcome]]:
        """Train the students; yield the end of each run as it comes."""
        unfinished = list(self.contexts)
        try:
            for context, end in run_stacked(self.contexts) if self.contexts else ():
                unfinished.remove(context)
                if isinstance(end, Exception):
                    yield context, *_failure(end)
                else:
                    yield context, State.DONE, end
        except Exception as error:  # noqa: BLE001 (any error is the outcome of these runs)
            yield from ((context, *_failure(error)) for context in unfinished)

    def finish(self, run_id: str, state: State, outcome: Outcome) -> None:
        """Store how a run ended, and unlock it."""
        now = time.monotonic()
        for each in self.locks:
            self.seconds[each] += (now - self.clock) / len(self.locks)
        self.clock = now
        store.finish(run_id, state, outcome, self.seconds[run_id])
        self.locks.pop(run_id).close()


def _refer_to_log(log: Path, first: str) -> None:
    with log.open("a", encoding="utf-8") as out:
        out.write(f"Trains together with run {first}; the log of that run has all messages.\n")


def _outcome(context: StageContext) -> tuple[State, Outcome]:
    try:
        return State.DONE, STAGES[context.recipe.stage](context)
    except Exception as error:  # noqa: BLE001 (any error is the outcome of the run)
        return _failure(error)


def _failure(error: Exception) -> tuple[State, Outcome]:
    """Return the state and the outcome of a run that an error ended; log its traceback."""
    if isinstance(error, Cancelled):
        return State.CANCELLED, Outcome(message=error.message, hint=error.hint)
    traceback.print_exception(error)
    if isinstance(error, SparseKDError):
        lasting = not isinstance(error, Unavailable)
        return State.FAILED, Outcome(message=error.message, hint=error.hint, lasting=lasting)
    message = f"{type(error).__name__}: {error}"
    return State.FAILED, Outcome(message=message, hint="The log of the run has the traceback.")
