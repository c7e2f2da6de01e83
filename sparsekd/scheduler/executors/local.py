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
    """One process per worker, forked from a process that has loaded torch."""

    def __init__(self) -> None:
        self.context = get_context("forkserver")
        # Imports torch once for all workers of this queue; nothing touches a device before it.
        self.context.set_forkserver_preload(["sparsekd.worker"])
        self.workers: list[tuple[list[str], BaseProcess]] = []
        self.slots: dict[str, int] = {}
        self.memory: dict[str, int] = {}

    def places(self) -> list[Place]:
        """Return the devices of this machine, with their configured, measured or default slots."""
        configured, measured = (
            _configured_slots(os.environ.get("SPARSEKD_SLOTS", "")),
            load_settings(),
        )
        for device in jobs.devices():
            default = measured.get(device.name, {}).get("slots") or slots_of(device.name)
            self.slots[device.name] = configured.get(device.name, default)
            self.memory[device.name] = device.memory
        return [Place(name, slots, self.memory[name]) for name, slots in self.slots.items()]

    def start(self, runs: Sequence[Run], place: str, slots: int, memory: int = 0) -> None:
        """Fork a worker; of a GPU's memory it may take what the estimate says."""
        names = [run.id for run in runs]
        share = memory_share(slots, self.slots.get(place, slots), memory, self.memory.get(place, 0))
        process = self.context.Process(target=work_here, args=(names, place, slots, share))
        process.start()
        self.workers.append((names, process))

    def ended(self) -> dict[str, str]:
        """Return runs whose process has ended, and its exit code unless that is 0."""
        gone = [worker for worker in self.workers if worker[1].exitcode is not None]
        self.workers = [worker for worker in self.workers if worker not in gone]
        found: dict[str, str] = {}
        for names, process in gone:
            process.join()
            how = f"exit code {process.exitcode}" if process.exitcode else ""
            found |= dict.fromkeys(names, how)
        return found

    def cancel(self, run_id: str) -> None:
        """Do nothing: `jobs.cancel_all` signals the process, and the worker reads the catalogue."""

    def close(self) -> None:
        """Do nothing: workers outlive the queue."""


def memory_share(slots: int, of_slots: int, memory: int, of_memory: int) -> float:
    """Return the part of a device's memory that a worker may take.

    All of it where it has every slot; else its estimate's part, or without one its slots' part.
    """
    if slots == of_slots or not (memory and of_memory):
        return slots / of_slots
    return min(1.0, memory / of_memory)


def slots_of(device: str) -> int:
    """Return how many runs work side by side: one per core of the processor, one per GPU."""
    return cores() if device == "cpu" else 1


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _configured_slots(text: str) -> dict[str, int]:
    """Parse SPARSEKD_SLOTS, like cpu=2,cuda:0=4."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    found = [re.fullmatch(r"([\w:]+)=([1-9]\d*)", word) for word in words]
    for word, match in zip(words, found, strict=True):
        if match is None:
            raise BadInput(f"SPARSEKD_SLOTS contains {word!r}.", "Write it like cpu=2,cuda:0=4.")
    return {match[1]: int(match[2]) for match in found if match}


def work_here(run_ids: list[str], device: str, slots: int, share: float = 1.0) -> None:
    """Execute runs in this process, with a session and a log of its own."""
    os.setsid()
    log = store.folder(run_ids[0]) / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab", buffering=0) as out:
        os.dup2(out.fileno(), sys.stdout.fileno())
        os.dup2(out.fileno(), sys.stderr.fileno())
    threads = slots if device == "cpu" else None
    importlib.import_module("sparsekd.worker").work(run_ids, device, threads, share)
