"""The recipe, device and folder of a run, with its progress reports and its cancellation."""

import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from sparsekd.errors import Cancelled
from sparsekd.runs import store
from sparsekd.runs.records import Event, Progress, Recipe

REPORT_INTERVAL = 0.5  # seconds between two reports
SMALL = 256  # columns below which one thread is the fastest


@dataclass
class StageContext:
    """The recipe, device and folder of one run, and its link to the catalogue.

    Progress is written at most twice a second; numbers logged in between wait for the next report.
    `poll` is called before each look at `cancelled`, where several runs share one process.
    """

    recipe: Recipe
    device: str
    folder: Path
    cancelled: bool = False
    last_report: float = 0.0
    phase_starts: dict[str, float] = field(default_factory=dict)
    pending_events: list[Event] = field(default_factory=list)
    poll: Callable[[], None] = lambda: None

    def report(
        self,
        phase: str,
        done: int,
        total: int,
        events: Iterable[Event] = (),
        examples_per_second: float | None = None,
        eta: float | None = None,
        now: bool = False,
    ) -> None:
        """Write the progress of a phase and the logged numbers, at once if `now`; `eta` in seconds.

        Also read from the catalogue whether the run was cancelled.
        """
        self.pending_events += events
        start = self.phase_starts.setdefault(phase, time.monotonic())
        if not now and done < total and time.monotonic() - self.last_report < REPORT_INTERVAL:
            return
        if eta is None and done:
            eta = (time.monotonic() - start) / done * (total - done)
        self.last_report = time.monotonic()
        progress = Progress(phase, done, total, examples_per_second, eta, self.memory())
        store.report(self.recipe.run_id, progress, self.pending_events)
        self.pending_events = []
        if store.cancel_requested(self.recipe.run_id):
            self.cancelled = True

    def should_stop(self) -> bool:
        """Return whether the run was cancelled."""
        self.poll()
        return self.cancelled

    def raise_if_cancelled(self) -> None:
        """End a phase that keeps no checkpoint, if the run was cancelled.

        Raises:
            Cancelled: it was.
        """
        if self.should_stop():
            raise Cancelled("Stopped on request.", "Resume the run to go on.")

    def progress_callback(self, phase: str) -> Callable[[dict[str, Any]], None]:
        """Return a callback for one pass over data that reports progress and can be cancelled."""

        def on_progress(event: dict[str, Any]) -> None:
            self.report(
                phase,
                int(event["done"]),
                int(event["total"]),
                examples_per_second=event["examples_per_second"],
                eta=event["eta"],
            )
            self.raise_if_cancelled()

        return on_progress

    def memory(self) -> float:
        """Return the peak memory in MiB: the GPU's where one is used, else this process's."""
        if self.device.startswith("cuda"):
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)


def limit_threads(model: PreTrainedModel) -> None:
    """Give a small model one processor thread.

    Its matrices are multiplied before a second thread has started: on two cores, 128 columns took
    35 ms a step with one thread and 45 with two, and far more on a busy machine.
    """
    if model.config.hidden_size < SMALL:
        torch.set_num_threads(1)
