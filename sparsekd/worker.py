"""One run in one process, or several students that train together.

Preloads torch, so that a queue can fork workers that begin at once.
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
from sparsekd.runs.stacking import alike
from sparsekd.stages import STAGES, StageContext, distil_together


def work(
    run_ids: str | Sequence[str], device: str, threads: int | None = None, share: float = 1.0
) -> None:
    """Do queued runs; one that was cancelled or finished is left alone.

    Several that may train together do so, others one after another. `threads` are those that
    torch may use, where several workers share a processor; `share` is the part of a GPU's memory
    that is theirs, so that a run that asks for more fails alone instead of taking others down.

    Raises:
        BadInput: another worker is at it.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if share < 1 and device.startswith("cuda"):
        torch.cuda.set_per_process_memory_fraction(share, device)
    names = [run_ids] if isinstance(run_ids, str) else list(run_ids)
    keys = {alike(run.recipe) for run in store.several(names).values()}
    if len(names) > 1 and len(keys) == 1 and None not in keys:
        Group(names, device).work()
        return
    for run_id in names:
        _work(run_id, device)


def _work(run_id: str, device: str) -> None:
    with store.held(run_id):
        run = store.get(run_id)
        if run.state is not State.QUEUED:
            return
        context = StageContext(run.recipe, device, run.folder)
        signal.signal(signal.SIGTERM, lambda *_: setattr(context, "cancelled", True))
        start = time.monotonic()
        store.start(run_id, device, os.getpid())
        state, outcome = _outcome(context)
        store.finish(run_id, state, outcome, time.monotonic() - start)


class Group:
    """Runs that train together: each is locked, begun and ended on its own.

    The time that passes is shared out among those at work.
    """

    def __init__(self, names: Sequence[str], device: str) -> None:
        self.names, self.device = names, device
        self.locks: dict[str, ExitStack] = {}
        self.seconds: dict[str, float] = {}
        self.rung = False

    def work(self) -> None:
        """To the end of each; whatever ends them all is the outcome of those still at work."""
        try:
            contexts = self.contexts()
            signal.signal(signal.SIGTERM, lambda *_: setattr(self, "rung", True))
            self.clock = time.monotonic()
            for context in contexts:
                store.start(context.recipe.run_id, self.device, os.getpid())
            for context, end in self.ends(contexts):
                self.end(context.recipe.run_id, *end)
        finally:
            for lock in self.locks.values():
                lock.close()

    def contexts(self) -> list[StageContext]:
        """A locked place of work for each run that is queued, and that nobody else is at."""
        contexts: list[StageContext] = []
        for name in self.names:
            lock = ExitStack()
            try:
                lock.enter_context(store.held(name))
            except BadInput as taken:
                sys.stderr.write(f"{taken.message}\n")
                continue
            run = store.get(name)
            if run.state is not State.QUEUED:
                lock.close()
                continue
            self.locks[name], self.seconds[name] = lock, 0.0
            if name != self.names[0]:
                _refer(run.folder / "log.txt", self.names[0])
            contexts.append(StageContext(run.recipe, self.device, run.folder, poll=self.poll))
        self.at_work = contexts
        return contexts

    def poll(self) -> None:
        """A signal is for those whom somebody asked to stop; for all, if nobody was asked.

        Who cancels a run marks it before the signal, which reaches the process of them all.
        """
        if not self.rung:
            return
        self.rung = False
        asked = set(store.cancelled(self.names))
        for context in self.at_work:
            if not asked or context.recipe.run_id in asked:
                context.cancelled = True

    def ends(
        self, contexts: list[StageContext]
    ) -> Iterator[tuple[StageContext, tuple[State, Outcome]]]:
        """How each run ends, as it does."""
        left = list(contexts)
        try:
            for context, end in distil_together(contexts) if contexts else ():
                left.remove(context)
                yield context, _told(end) if isinstance(end, Exception) else (State.DONE, end)
        except Exception as error:  # noqa: BLE001 (whatever it is, the runs say so)
            yield from ((context, _told(error)) for context in left)

    def end(self, name: str, state: State, outcome: Outcome) -> None:
        """Note how a run ended, and let it go."""
        now = time.monotonic()
        for each in self.locks:
            self.seconds[each] += (now - self.clock) / len(self.locks)
        self.clock = now
        store.finish(name, state, outcome, self.seconds[name])
        self.locks.pop(name).close()


def _refer(log: Path, first: str) -> None:
    with log.open("a", encoding="utf-8") as out:
        out.write(f"Trains together with run {first}; the log of that run has all messages.\n")


def _outcome(context: StageContext) -> tuple[State, Outcome]:
    try:
        return State.DONE, STAGES[context.recipe.stage](context)
    except Exception as error:  # noqa: BLE001 (whatever it is, the run says so)
        return _told(error)


def _told(error: Exception) -> tuple[State, Outcome]:
    """An error in the words of an outcome; its traceback goes to the log."""
    if isinstance(error, Cancelled):
        return State.CANCELLED, Outcome(message=error.message, hint=error.hint)
    traceback.print_exception(error)
    if isinstance(error, SparseKDError):
        lasting = not isinstance(error, Unavailable)
        return State.FAILED, Outcome(message=error.message, hint=error.hint, lasting=lasting)
    message = f"{type(error).__name__}: {error}"
    return State.FAILED, Outcome(message=message, hint="The log of the run has the traceback.")
