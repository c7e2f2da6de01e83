"""Workers as processes of this machine: one slot per core, and one per other device."""

import importlib
import os
import re
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

from sparsekd.errors import BadInput
from sparsekd.runs import jobs, store
from sparsekd.runs.records import Run
from sparsekd.runs.stacking import load_settings
from sparsekd.scheduler.executors import Place


class LocalProcesses:
    """A process per worker, forked from one that has loaded torch."""

    def __init__(self) -> None:
        self.context = get_context("forkserver")
        # Imports torch once for all workers of this queue; nothing touches a device before it.
        self.context.set_forkserver_preload(["sparsekd.worker"])
        self.workers: list[tuple[list[str], BaseProcess]] = []
        self.slots: dict[str, int] = {}

    def places(self) -> list[Place]:
        """The devices of this machine, with the slots asked for, or measured, or the usual ones."""
        asked, measured = _asked_slots(os.environ.get("SPARSEKD_SLOTS", "")), load_settings()
        for device in jobs.devices():
            usual = measured.get(device.name, {}).get("slots") or slots_of(device.name)
            self.slots[device.name] = asked.get(device.name, usual)
        return [Place(name, slots) for name, slots in self.slots.items()]

    def begin(self, runs: Sequence[Run], place: str, slots: int) -> None:
        """Fork a worker."""
        names = [run.id for run in runs]
        share = slots / self.slots.get(place, slots)
        process = self.context.Process(target=work_here, args=(names, place, slots, share))
        process.start()
        self.workers.append((names, process))

    def ended(self) -> dict[str, str]:
        """Runs whose process has ended."""
        gone = [worker for worker in self.workers if worker[1].exitcode is not None]
        self.workers = [worker for worker in self.workers if worker not in gone]
        told: dict[str, str] = {}
        for names, process in gone:
            process.join()
            how = f"exit code {process.exitcode}" if process.exitcode else ""
            told |= dict.fromkeys(names, how)
        return told

    def cancel(self, run_id: str) -> None:
        """Nothing to do: who asks signals the process, and the worker reads the catalogue."""

    def close(self) -> None:
        """Workers outlive the queue."""


def slots_of(device: str) -> int:
    """How many runs work side by side: one per core of the processor, one per other device."""
    return cores() if device == "cpu" else 1


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _asked_slots(text: str) -> dict[str, int]:
    """SPARSEKD_SLOTS, like cpu=2,cuda:0=4."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    found = [re.fullmatch(r"([\w:]+)=([1-9]\d*)", word) for word in words]
    for word, match in zip(words, found, strict=True):
        if match is None:
            raise BadInput(f"SPARSEKD_SLOTS contains {word!r}.", "Write it like cpu=2,cuda:0=4.")
    return {match[1]: int(match[2]) for match in found if match}


def work_here(run_ids: list[str], device: str, slots: int, share: float = 1.0) -> None:
    """Where a worker process begins: its own session, its own log, then torch."""
    os.setsid()
    log = store.folder(run_ids[0]) / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab", buffering=0) as out:
        os.dup2(out.fileno(), sys.stdout.fileno())
        os.dup2(out.fileno(), sys.stderr.fileno())
    threads = slots if device == "cpu" else None
    importlib.import_module("sparsekd.worker").work(run_ids, device, threads, share)
