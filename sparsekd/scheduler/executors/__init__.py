"""Executors: where workers run. The queue decides which runs start, an executor where."""

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sparsekd.errors import unknown
from sparsekd.runs.records import Run

EXECUTORS = {
    "local": "sparsekd.scheduler.executors.local:LocalProcesses",
    "ray": "sparsekd.scheduler.executors.ray_cluster:RayExecutor",
}


@dataclass(frozen=True)
class Place:
    """A device for runs, with the number of its slots; a run takes one or several.

    `memory` in bytes; 0 where it is unknown.
    """

    name: str
    slots: int
    memory: int = 0


class Executor(Protocol):
    """Starts workers, and reports which have ended."""

    def places(self) -> list[Place]:
        """Return the places for runs, the fastest first."""

    def start(self, runs: Sequence[Run], place: str, slots: int, memory: int = 0) -> None:
        """Start one worker in so many slots, for a run or for several of one stack.

        `memory` is the estimate of its peak in bytes; 0 where that is unknown.
        """

    def ended(self) -> dict[str, str]:
        """Return runs whose worker has ended since the last call, and how it died, if it did."""

    def cancel(self, run_id: str) -> None:
        """Stop a run's worker."""

    def close(self) -> None:
        """Release what the executor holds; no run is started after this."""


def selected() -> Executor:
    """Return the executor that SPARSEKD_EXECUTOR names; local processes by default.

    Raises:
        NotFound: there is no such executor; Unavailable: it cannot work here.
    """
    name = os.environ.get("SPARSEKD_EXECUTOR") or "local"
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS)
    module, _, kind = EXECUTORS[name].partition(":")
    made: Executor = getattr(importlib.import_module(module), kind)()
    return made
