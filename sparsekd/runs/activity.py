"""Whether runs work or wait, and what a waiting run waits for."""

from collections.abc import Iterable

from sparsekd.runs import jobs, store
from sparsekd.runs.records import UNFINISHED, Run, State


def unfinished() -> list[Run]:
    """Return every run that waits or works."""
    return store.runs(states=UNFINISHED)


def is_active(run: Run) -> bool:
    """Return whether a run works, or waits for nothing that has stopped."""
    if run.state is State.QUEUED:
        return jobs.blocking_run(run) is None
    return run.state is State.RUNNING


def any_active(runs: Iterable[Run]) -> bool:
    """Return whether one of the runs is active; the inputs of hundreds are read at once."""
    waiting = []
    for run in runs:
        if run.state is State.RUNNING:
            return True
        if run.state is State.QUEUED:
            waiting.append(run)
    inputs = store.get_many({name for run in waiting for name in run.recipe.needs})
    held = {name for name, run in inputs.items() if run.state is not State.DONE}
    if any(held.isdisjoint(run.recipe.needs) for run in waiting):
        return True
    known = {run.id for run in waiting}  # these wait for one another, and so for the others
    return any(is_active(inputs[name]) for name in held - known)


def waiting_reason(run: Run) -> str:
    """Return why a queued run has not started, as a sentence."""
    stopped = jobs.blocking_run(run)
    if stopped:
        return (
            f"Waits for run {stopped.id}, which is {stopped.state.value}: "
            "resume that run, and this one follows."
        )
    places = [waiting.id for waiting in store.queued()]
    if run.id not in places:
        return "About to start."
    return f"Number {places.index(run.id) + 1} of {len(places)} in the queue."
