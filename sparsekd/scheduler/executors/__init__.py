"""Executors: where workers run. The queue decides what starts, an executor where and how."""

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
    """Where runs work, and how many of them at a time, each in a slot or several."""

    name: str
    slots: int


class Executor(Protocol):
    """Starts workers and says which have ended; it decides nothing."""

    def places(self) -> list[Place]:
        """Where runs can work, the fastest first."""

    def begin(self, runs: Sequence[Run], place: str, slots: int) -> None:
        """Start one worker for a run, or for several that train together, in so many slots."""

    def ended(self) -> dict[str, str]:
        """Runs whose worker is gone since the last look, and how it died; empty if it did not."""

    def cancel(self, run_id: str) -> None:
        """Ask a run's worker to stop."""

    def close(self) -> None:
        """Nothing more will be started."""


def chosen() -> Executor:
    """The executor that SPARSEKD_EXECUTOR names: local processes unless it does.

    Raises:
        NotFound: there is no such executor; Unavailable: it cannot work here.
    """
    name = os.environ.get("SPARSEKD_EXECUTOR") or "local"
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS)
    module, _, kind = EXECUTORS[name].partition(":")
    made: Executor = getattr(importlib.import_module(module), kind)()
    return made
