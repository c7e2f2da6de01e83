"""The queue process: starts runs as their inputs and a device are ready.

Each run works in a process of its own. One queue process per store, started when something is
submitted, hands each device to one run at a time and leaves when nothing is left to start.
"""

import importlib
import os
import sys
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

from sparsekd import jobs, locks, store
from sparsekd.errors import SparseKDError
from sparsekd.records import Outcome, Run, State

PAUSE = 0.2  # seconds between two looks at the queue


def serve() -> None:
    """Start queued runs as their inputs and a device are ready; leave when none can start."""
    context = get_context("forkserver")
    # Imports torch once for all workers of this queue; nothing touches a device before the fork.
    context.set_forkserver_preload(["sparsekd.worker"])
    workers: dict[str, tuple[str, BaseProcess]] = {}
    with locks.holding(jobs.queue_lock(), "Another queue process is at work."):
        names = [device.name for device in jobs.devices()]
        while True:
            _reap(workers)
            mine = {device for device, _ in workers.values()}
            if mine != set(names):  # otherwise there is nothing to decide, and nothing is read
                others = _devices_in_use(workers)
                waiting = [run for run in store.queued() if run.id not in workers]
                for run, device in startable(waiting, names, mine | others):
                    process = context.Process(target=_work, args=(run.id, device))
                    process.start()
                    workers[run.id] = (device, process)
                if not workers and not others:
                    return
            time.sleep(PAUSE)


def startable(queued: list[Run], names: list[str], busy: set[str]) -> list[tuple[Run, str]]:
    """The queued runs that can start now, each with its device: in order, one per device.

    The processor is for those who ask for it, unless it is the only device.
    """
    free = [name for name in names if name not in busy]
    automatic = {name for name in names if name != "cpu"} or set(names)
    inputs = store.several({needed for run in queued for needed in run.recipe.needs})
    ready = {name for name, run in inputs.items() if run.state is State.DONE}
    chosen = []
    for run in queued:
        fits = automatic if run.device == "auto" else {run.device}
        device = next((name for name in free if name in fits), None)
        if device and ready.issuperset(run.recipe.needs):
            free.remove(device)
            chosen.append((run, device))
    return chosen


def _devices_in_use(workers: dict[str, tuple[str, BaseProcess]]) -> set[str]:
    """Devices held by workers that an earlier queue process has left behind."""
    return {run.device for run in store.runs(states=[State.RUNNING]) if run.id not in workers}


def _reap(workers: dict[str, tuple[str, BaseProcess]]) -> None:
    for run_id, (_, process) in list(workers.items()):
        if process.exitcode is None:
            continue
        process.join()
        del workers[run_id]
        run = store.several([run_id]).get(run_id)
        if run is not None and run.state is State.QUEUED:
            message = f"The worker ended (exit code {process.exitcode}) before it could begin."
            outcome = Outcome(message=message, hint="The log of the run says why.")
            store.finish(run_id, State.FAILED, outcome, 0.0)


def _work(run_id: str, device: str) -> None:
    """Where a worker process begins: its own session, its own log, then torch."""
    os.setsid()
    log = store.folder(run_id) / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab", buffering=0) as out:
        os.dup2(out.fileno(), sys.stdout.fileno())
        os.dup2(out.fileno(), sys.stderr.fileno())
    importlib.import_module("sparsekd.worker").work(run_id, device)


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
    sys.exit(importlib.import_module("sparsekd.queue").main())
