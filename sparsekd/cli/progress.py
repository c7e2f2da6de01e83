"""Submit runs and show their progress: a bar on a terminal, a line per change elsewhere."""

import sys
import time
from collections.abc import Sequence
from typing import Never

from tqdm import tqdm

from sparsekd.cli.output import note
from sparsekd.errors import Cancelled, SparseKDError
from sparsekd.runs import jobs, model_checks, store, tables
from sparsekd.runs.records import RESUMABLE, Recipe, Run, State, Step
from sparsekd.studies import learning_rates, roles, training_cost

PAUSE = 0.25  # seconds between two reads of the runs
REST = 20  # at least so many times as long as a read took: hundreds of runs take a while to read


def note_launch(recipes: Sequence[Recipe], device: str) -> None:
    """Say what is assumed of models, the memory that runs take, and unusual learning rates."""
    if words := model_checks.assumptions(recipes):
        note(words)
    note(training_cost.memory(recipes, device))
    if words := learning_rates.in_words(recipes):
        note(words)


def run_one(recipe: Recipe, device: str) -> Run:
    """Submit one run and wait for its end."""
    if recipe.stage in ("finetune", "distil", "score"):
        note_launch([recipe], device)
    elif words := model_checks.assumptions([recipe]):
        note(words)
    jobs.submit([recipe], device)
    return wait_for([Step(recipe.stage, recipe)])[recipe.run_id]


def wait_for(steps: Sequence[Step], keep_going: bool = False) -> dict[str, Run]:
    """Wait until every run has ended; Ctrl-C cancels them, and the same command resumes them.

    With `keep_going`, a failed run stops only the runs that start from it.

    Raises:
        SparseKDError: a run failed, with its message and hint; Unavailable: no run can start.
        Cancelled: a run was stopped.
    """
    try:
        return _wait_for(steps, keep_going)
    except KeyboardInterrupt as stop:
        for step in reversed(steps):
            if store.get(step.recipe.run_id).state in (State.QUEUED, State.RUNNING):
                jobs.cancel(step.recipe.run_id)
        raise Cancelled("Stopped; what is done is kept.", "The same command resumes it.") from stop


def _wait_for(steps: Sequence[Step], keep_going: bool) -> dict[str, Run]:
    display = _Display(steps, keep_going)
    while True:
        began = time.monotonic()
        runs = store.get_many(step.recipe.run_id for step in steps)
        display.update(runs)
        for run in runs.values():
            if run.state in RESUMABLE and not keep_going:
                display.close()
                raise _ended(run)
        if all(_is_over(run) for run in runs.values()):
            display.close()
            return runs
        if trouble := jobs.queue_error():
            display.close()
            raise trouble
        jobs.start_queue_if_idle()
        time.sleep(max(PAUSE, REST * (time.monotonic() - began)))


def _is_over(run: Run) -> bool:
    """Return whether a run has ended or can never start."""
    if run.state is State.QUEUED:
        return jobs.blocking_run(run) is not None
    return run.state is not State.RUNNING


def _ended(run: Run) -> SparseKDError:
    where = f"Run {run.id} ({run.recipe.stage})"
    if run.state is State.FAILED:
        return SparseKDError(f"{where} failed: {run.outcome.message}", run.outcome.hint)
    return Cancelled(f"{where} was {run.state}.", f"python -m sparsekd runs resume {run.id}")


class _Display:
    """The states that were shown; each change is shown once."""

    def __init__(self, steps: Sequence[Step], keep_going: bool = False) -> None:
        self.steps, self.keep_going = steps, keep_going
        self.seen: dict[str, State] = {}
        self.terminal = sys.stderr.isatty()
        self.bar: tqdm[Never] | None = None  # moved by hand, over no items

    def update(self, runs: dict[str, Run]) -> None:
        for place, step in enumerate(self.steps, start=1):
            run = runs.get(step.recipe.run_id)
            if run is None:
                continue
            if self.seen.get(run.id) is not run.state:
                self._show_state(place, step, run)
            if self.terminal and run.state is State.RUNNING:
                self._move_bar(place, step, run)

    def _show_state(self, place: int, step: Step, run: Run) -> None:
        self.seen[run.id] = run.state
        if run.state in (State.RUNNING, State.DONE):
            words = f"[{place}/{len(self.steps)}] {_title(step)}: {run.state}"
            if run.state is State.DONE:
                words += f" ({run.seconds:.1f} s) {metrics_text(run)}"
                self.close()
            if not self.terminal or run.state is State.DONE:
                print(words.rstrip(), file=sys.stderr, flush=True)
        elif self.keep_going and run.state in RESUMABLE:
            self.close()
            print(_ended(run), file=sys.stderr, flush=True)

    def _move_bar(self, place: int, step: Step, run: Run) -> None:
        progress = run.progress
        if self.bar is None:
            self.bar = tqdm(total=1.0, leave=False, bar_format="{desc} {bar} {percentage:3.0f}%")
        rate = progress.examples_per_second
        speed = f", {rate:,.0f} examples/s" if rate else ""
        left = f", {progress.eta:.0f} s left" if progress.eta is not None else ""
        name = _title(step)
        self.bar.set_description_str(
            f"[{place}/{len(self.steps)}] {name}: {progress.phase}{speed}{left}", refresh=False
        )
        self.bar.n = progress.share
        self.bar.refresh()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _title(step: Step) -> str:
    """Return the role of a run in its plan, or its stage where it was submitted alone."""
    return tables.STAGES.get(step.role) or roles.title(step.role)


def metrics_text(run: Run) -> str:
    """Return a run's metrics on the reported splits in one line."""
    parts = [
        f"{split} " + " ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        for split, metrics in run.outcome.metrics.items()
        if split != "selection"
    ]
    return ", ".join(parts)
