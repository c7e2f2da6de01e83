"""What a stage is given besides its recipe: a folder, a device, and somebody who listens."""

import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PreTrainedModel

from sparsekd.errors import Cancelled
from sparsekd.runs import store
from sparsekd.runs.records import Event, Progress, Recipe

PAUSE = 0.5  # seconds between two reports
SMALL = 256  # columns below which one thread is the fastest


@dataclass
class Desk:
    """One run's place of work; reports are written at most twice a second."""

    recipe: Recipe
    device: str
    folder: Path
    asked_to_stop: bool = False
    told: float = 0.0
    began: dict[str, float] = field(default_factory=dict)
    waiting: list[Event] = field(default_factory=list)
    listen: Callable[[], None] = lambda: None  # to who may have asked several runs to stop

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
        """Say how far the phase is; numbers that come between two reports are kept for the next.

        Raises:
            Cancelled: somebody asked the run to stop, and this phase keeps no checkpoint.
        """
        self.waiting += events
        start = self.began.setdefault(phase, time.monotonic())
        if not now and done < total and time.monotonic() - self.told < PAUSE:
            return
        if eta is None and done:
            eta = (time.monotonic() - start) / done * (total - done)
        self.told = time.monotonic()
        memory = self.memory()
        progress = Progress(phase, done, total, examples_per_second, eta, memory)
        store.report(self.recipe.run_id, progress, self.waiting)
        self.waiting = []
        if store.should_cancel(self.recipe.run_id):
            self.asked_to_stop = True

    def check(self) -> None:
        """Stop here if somebody asked for it.

        Raises:
            Cancelled: somebody did.
        """
        if self.stop():
            raise Cancelled("Stopped on request.", "Resume the run to go on.")

    def stop(self) -> bool:
        """Whether somebody asked the run to stop."""
        self.listen()
        return self.asked_to_stop

    def suit(self, model: PreTrainedModel) -> None:
        """Give a small model one processor thread.

        Its matrices are done before a second thread has begun: on two cores, 128 columns took
        35 ms a step with one thread and 45 with two, and far more on a busy machine.
        """
        if model.config.hidden_size < SMALL:
            torch.set_num_threads(1)

    def memory(self) -> float:
        """Peak memory in MiB: the GPU's where one is used, else this process's."""
        if self.device.startswith("cuda"):
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)
