"""The node's side of a remote executor: an ordinary worker, in a store of the node's own."""

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
from sparsekd.scheduler.executors.payloads import Payload
from sparsekd.scheduler.executors.run_files import Copier, local_step
from sparsekd.scheduler.executors.share import Share
from sparsekd.scheduler.executors.unpacking import unpack

UPDATE_PAUSE = 1.0  # seconds between two updates to the driver
COPY_PAUSE = 5.0  # least seconds between two copies to the share
COPY_SHARE = 10.0  # times as long as a copy took does the next one wait: a slow share is spared
SHARE_TIMEOUT = 30.0  # seconds in which a share that is gone may come back


@dataclass(frozen=True)
class RunUpdate:
    """The progress of a run, and the numbers logged since the last update.

    The first one has the step from which the run continues, in `since`: numbers logged after it
    are logged again.
    """

    run_id: str
    state: State
    progress: Progress
    events: tuple[Event, ...] = ()
    since: int | None = None


@dataclass(frozen=True)
class RunEnd:
    """The end of a run on the node; `how` says how its worker died, if it did."""

    state: State
    outcome: Outcome
    seconds: float = 0.0
    last: RunUpdate | None = None
    how: str = ""


SendUpdates = Callable[[list[RunUpdate]], set[str]]
"""Sends updates to the driver; returns the runs that were requested to stop."""


def scratch(node: str) -> Path:
    """Return the node's own store: files that several runs need are fetched once."""
    folder = os.environ.get("SPARSEKD_SCRATCH") or tempfile.gettempdir()
    return Path(folder) / f"sparsekd-{node[:12]}"


def execute(
    payload: Payload, share: Share, device: str, slots: int, send: SendUpdates, home: Path
) -> dict[str, RunEnd]:
    """Execute the payload's runs in the store `home`, and return the end of each by its id."""
    os.environ["SPARSEKD_HOME"] = str(home)
    names = [recipe.run_id for recipe in payload.recipes]
    try:
        unpack(payload, share)
    except SparseKDError as error:
        return dict.fromkeys(names, RunEnd(State.FAILED, failure(error)))
    return NodeRuns(names, share, send).work(device, slots)


@dataclass
class NodeRuns:
    """Runs on this node, with what was sent and copied of them."""

    names: Sequence[str]
    share: Share
    send: SendUpdates
    sent: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    next_copy: float = field(default_factory=lambda: time.monotonic() + COPY_PAUSE)

    def __post_init__(self) -> None:
        self.copiers = {name: Copier(name, self.share) for name in self.names}
        known = store.get_many(self.names).values()
        self.seconds_before = {run.id: run.seconds for run in known if run.state is not State.DONE}
        self.since = {name: local_step(name) for name in self.names}
        for name in self.seconds_before:
            store.delete_events_after(name, self.since[name])

    def work(self, device: str, slots: int) -> dict[str, RunEnd]:
        """Run a worker to its end, and return how each run ended, once its files are copied."""
        stopping = self.update()
        how = ""
        if set(self.seconds_before) - stopping:
            process = _worker(list(self.seconds_before), device, slots)
            try:
                self.watch(process)
            finally:
                if process.exitcode is None:
                    process.terminate()
            how = f"exit code {process.exitcode}" if process.exitcode else ""
        return {name: self.end(name, how) for name in self.names}

    def watch(self, process: BaseProcess) -> None:
        """Send updates and copy files until the worker ends."""
        while process.exitcode is None:
            process.join(UPDATE_PAUSE)
            self.update()
            if time.monotonic() > self.next_copy:
                start = time.monotonic()
                self.copy()
                now = time.monotonic()
                self.next_copy = now + max(COPY_PAUSE, COPY_SHARE * (now - start))

    def update(self) -> set[str]:
        """Send an update of each run, and stop those that the driver names."""
        runs = store.get_many(self.names)
        stopping = self.send([self.update_of(run) for run in runs.values()])
        jobs.cancel_all(run for run in runs.values() if run.id in stopping)
        return stopping

    def update_of(self, run: Run) -> RunUpdate:
        """Return what is new of a run."""
        sent = self.sent.setdefault(run.id, set())
        new = [event for event in store.events(run.id) if (event.name, event.step) not in sent]
        sent |= {(event.name, event.step) for event in new}
        return RunUpdate(run.id, run.state, run.progress, tuple(new), self.since.pop(run.id, None))

    def copy(self) -> None:
        """Copy what has changed; a share that is gone is tried again the next time."""
        for copier in self.copiers.values():
            try:
                copier.copy()
            except Unavailable:
                return

    def end(self, name: str, how: str) -> RunEnd:
        """Return the end of a run, once its files are on the share.

        Where the share stays away the files are kept here, and delivered when the run is resumed
        on this node.
        """
        run = store.get(name)
        seconds = run.seconds - self.seconds_before.get(name, 0.0)
        deadline = time.monotonic() + SHARE_TIMEOUT
        while True:
            try:
                self.copiers[name].deliver(run.state is State.DONE)
                return RunEnd(run.state, run.outcome, seconds, self.update_of(run), how)
            except Unavailable as error:
                if time.monotonic() > deadline:
                    last = self.update_of(run)
                    return RunEnd(State.FAILED, failure(error), seconds, last, how)
            time.sleep(UPDATE_PAUSE)


def failure(error: SparseKDError) -> Outcome:
    """Return an error as the outcome of a run; what is unavailable may be there the next time."""
    lasting = not isinstance(error, Unavailable)
    return Outcome(message=error.message, hint=error.hint, lasting=lasting)


def _worker(names: list[str], device: str, slots: int) -> BaseProcess:
    """Fork a worker from a process that has loaded torch and serves later tasks too."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["sparsekd.worker"])
    # The process that forks may have been started for another task, with another GPU.
    wanted = ("SPARSEKD_HOME", "CUDA_VISIBLE_DEVICES")
    environment = {name: os.environ[name] for name in wanted if name in os.environ}
    process = context.Process(target=_work, args=(environment, names, device, slots))
    process.start()
    return process


def _work(environment: dict[str, str], names: list[str], device: str, slots: int) -> None:
    os.environ.update(environment)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    work_here(names, device, slots)


def _stop_with_parent() -> None:
    """Stop, with a checkpoint, when the process that watches this worker is gone."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
