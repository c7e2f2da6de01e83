"""Watch runs from a terminal: bars on a terminal, a line per event elsewhere."""

import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from sparsekd.errors import Cancelled, SparseKDError
from sparsekd.runs import jobs, store
from sparsekd.runs.records import RESUMABLE, Run, State, Step
from sparsekd.studies import roles

PAUSE = 0.25


def follow(steps: Sequence[Step], whole: bool = False) -> dict[str, Run]:
    """Wait until every run has ended; Ctrl-C cancels them, and the same command resumes.

    With `whole`, a run that fails stops only those that start from it.

    Raises:
        SparseKDError: a run failed, with its message and hint; Unavailable: none can start.
        Cancelled: somebody stopped a run.
    """
    try:
        return _follow(steps, whole)
    except KeyboardInterrupt as stop:
        for step in reversed(steps):
            if store.get(step.recipe.run_id).state in (State.QUEUED, State.RUNNING):
                jobs.cancel(step.recipe.run_id)
        raise Cancelled("Stopped; what is done is kept.", "The same command goes on.") from stop


def _follow(steps: Sequence[Step], whole: bool) -> dict[str, Run]:
    screen = _Screen(steps, whole)
    while True:
        runs = store.several(step.recipe.run_id for step in steps)
        screen.show(runs)
        for run in runs.values():
            if run.state in RESUMABLE and not whole:
                screen.close()
                raise _ended(run)
        if all(_rests(run) for run in runs.values()):
            screen.close()
            return runs
        if trouble := jobs.trouble():
            screen.close()
            raise trouble
        jobs.wake_if_asleep()
        time.sleep(PAUSE)


def _rests(run: Run) -> bool:
    """Whether nothing more will happen to a run by itself."""
    if run.state is State.QUEUED:
        return jobs.blocker(run) is not None
    return run.state is not State.RUNNING


def _ended(run: Run) -> SparseKDError:
    where = f"Run {run.id} ({run.recipe.stage})"
    if run.state is State.FAILED:
        return SparseKDError(f"{where} failed: {run.outcome.message}", run.outcome.hint)
    return Cancelled(f"{where} was {run.state}.", f"python -m sparsekd runs resume {run.id}")


class _Screen:
    """What has been shown so far, so that each thing is shown once."""

    def __init__(self, steps: Sequence[Step], whole: bool = False) -> None:
        self.steps, self.whole = steps, whole
        self.seen: dict[str, State] = {}
        self.alive = sys.stderr.isatty()
        self.bar: tqdm[None] | None = None

    def show(self, runs: dict[str, Run]) -> None:
        for place, step in enumerate(self.steps, start=1):
            run = runs.get(step.recipe.run_id)
            if run is None:
                continue
            if self.seen.get(run.id) is not run.state:
                self._changed(place, step, run)
            if self.alive and run.state is State.RUNNING:
                self._move(place, step, run)

    def _changed(self, place: int, step: Step, run: Run) -> None:
        self.seen[run.id] = run.state
        if run.state in (State.RUNNING, State.DONE):
            words = f"[{place}/{len(self.steps)}] {roles.title(step.role)}: {run.state}"
            if run.state is State.DONE:
                words += f" ({run.seconds:.1f} s) {_numbers(run)}"
                self.close()
            if not self.alive or run.state is State.DONE:
                print(words.rstrip(), file=sys.stderr, flush=True)
        elif self.whole and run.state in RESUMABLE:  # otherwise the error ends everything
            self.close()
            print(_ended(run), file=sys.stderr, flush=True)

    def _move(self, place: int, step: Step, run: Run) -> None:
        progress = run.progress
        if self.bar is None:
            self.bar = tqdm(total=1.0, leave=False, bar_format="{desc} {bar} {percentage:3.0f} %")
        rate = progress.examples_per_second
        speed = f", {rate:,.0f} examples/s" if rate else ""
        left = f", {progress.eta:.0f} s left" if progress.eta is not None else ""
        name = roles.title(step.role)
        self.bar.set_description_str(
            f"[{place}/{len(self.steps)}] {name}: {progress.phase}{speed}{left}", refresh=False
        )
        self.bar.n = progress.share
        self.bar.refresh()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _numbers(run: Run) -> str:
    parts = [
        f"{split} " + " ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        for split, metrics in run.outcome.metrics.items()
        if split != "selection"
    ]
    return ", ".join(parts)
