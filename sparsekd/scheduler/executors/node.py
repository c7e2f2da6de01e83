"""The far side of an executor: an ordinary worker, in a store of this machine's own."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path

from sparsekd.errors import SparseKDError, Unavailable
from sparsekd.runs import jobs, store
from sparsekd.runs.records import Event, Outcome, Progress, Run, State
from sparsekd.scheduler.executors.local import work_here
from sparsekd.scheduler.executors.parcels import Copier, Parcel, step_of, unpack
from sparsekd.scheduler.executors.share import Share

PAUSE = 1.0  # seconds between two letters to the driver
COPY = 5.0  # least seconds between two looks at what the share has not got yet
REST = 10.0  # times as long as a copying took does the next one wait: a slow share is spared
PATIENCE = 30.0  # seconds in which a share that is gone may come back


@dataclass(frozen=True)
class Letter:
    """News of a run: how far it is, and the numbers logged since the last letter.

    The first one says `since` which step it is at work: what was logged past that comes again.
    """

    run_id: str
    state: State
    progress: Progress
    events: tuple[Event, ...] = ()
    since: int | None = None


@dataclass(frozen=True)
class Ended:
    """How a run ended here; `how` says how its worker died, if it did."""

    state: State
    outcome: Outcome
    seconds: float = 0.0
    last: Letter | None = None
    how: str = ""


Tell = Callable[[list[Letter]], set[str]]


def scratch(node: str) -> Path:
    """The store of a node's own: what its runs share is fetched once, however many they are."""
    place = os.environ.get("SPARSEKD_SCRATCH") or tempfile.gettempdir()
    return Path(place) / f"sparsekd-{node[:12]}"


def attend(
    parcel: Parcel, share: Share, device: str, slots: int, tell: Tell, home: Path
) -> dict[str, Ended]:
    """Do the parcel's runs in the store `home`; the driver hears of it through `tell`.

    `tell` answers with the runs that somebody asked to stop.
    """
    os.environ["SPARSEKD_HOME"] = str(home)
    names = [recipe.run_id for recipe in parcel.recipes]
    try:
        unpack(parcel, share)
    except SparseKDError as error:
        return dict.fromkeys(names, Ended(State.FAILED, failure(error)))
    return Bench(names, share, tell).work(device, slots)


@dataclass
class Bench:
    """Runs at work here, with what has been told and copied of them."""

    names: Sequence[str]
    share: Share
    tell: Tell
    told: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    due: float = field(default_factory=lambda: time.monotonic() + COPY)

    def __post_init__(self) -> None:
        self.copiers = {name: Copier(name, self.share) for name in self.names}
        known = store.get_many(self.names).values()
        self.before = {run.id: run.seconds for run in known if run.state is not State.DONE}
        self.since = {name: step_of(name) for name in self.names}
        for name in self.before:
            store.delete_events_after(name, self.since[name])

    def work(self, device: str, slots: int) -> dict[str, Ended]:
        """Until the worker has ended, and what it leaves is on the share."""
        stopping = self.look()
        how = ""
        if set(self.before) - stopping:
            process = _worker(list(self.before), device, slots)
            try:
                self.mind(process)
            finally:
                if process.exitcode is None:
                    process.terminate()
            how = f"exit code {process.exitcode}" if process.exitcode else ""
        return {name: self.end(name, how) for name in self.names}

    def mind(self, process: BaseProcess) -> None:
        """Tell and copy while the worker works."""
        while process.exitcode is None:
            process.join(PAUSE)
            self.look()
            if time.monotonic() > self.due:
                start = time.monotonic()
                self.copy()
                now = time.monotonic()
                self.due = now + max(COPY, REST * (now - start))

    def look(self) -> set[str]:
        """Tell how far the runs are, and stop those that are no longer wanted."""
        runs = store.get_many(self.names)
        unwanted = self.tell([self.letter(run) for run in runs.values()])
        jobs.cancel_all(run for run in runs.values() if run.id in unwanted)
        return unwanted

    def letter(self, run: Run) -> Letter:
        """What is new of a run."""
        told = self.told.setdefault(run.id, set())
        new = [event for event in store.events(run.id) if (event.name, event.step) not in told]
        told |= {(event.name, event.step) for event in new}
        return Letter(run.id, run.state, run.progress, tuple(new), self.since.pop(run.id, None))

    def copy(self) -> None:
        """Copy what has changed; a share that is gone is asked again the next time."""
        for copier in self.copiers.values():
            try:
                copier.copy()
            except Unavailable:
                return

    def end(self, name: str, how: str) -> Ended:
        """The end of a run, once its files are on the share.

        Where the share stays away they are kept here, and delivered when the run is resumed here.
        """
        run = store.get(name)
        seconds = run.seconds - self.before.get(name, 0.0)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.copiers[name].deliver(run.state is State.DONE)
                return Ended(run.state, run.outcome, seconds, self.letter(run), how)
            except Unavailable as error:
                if time.monotonic() > deadline:
                    return Ended(State.FAILED, failure(error), seconds, self.letter(run), how)
            time.sleep(PAUSE)


def failure(error: SparseKDError) -> Outcome:
    """An error as the outcome of a run; what is only unavailable may be there the next time."""
    lasting = not isinstance(error, Unavailable)
    return Outcome(message=error.message, hint=error.hint, lasting=lasting)


def _worker(names: list[str], device: str, slots: int) -> BaseProcess:
    """A worker, forked from a process that has loaded torch and serves this task's successors."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["sparsekd.worker"])
    # The process that forks may have been started for another task, with another GPU.
    wanted = ("SPARSEKD_HOME", "CUDA_VISIBLE_DEVICES")
    world = {name: os.environ[name] for name in wanted if name in os.environ}
    process = context.Process(target=_begin, args=(world, names, device, slots))
    process.start()
    return process


def _begin(world: dict[str, str], names: list[str], device: str, slots: int) -> None:
    os.environ.update(world)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    work_here(names, device, slots)


def _leave_with_parent() -> None:
    """Stop, with a checkpoint, when the process that minds this worker is gone."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
