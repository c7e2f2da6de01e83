"""What a trade-off study has cost, and what is not there."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.studies import roles

COSTS = ["run", "stage", "role", "started", "finished", "seconds", "cumulative_seconds"]


def costs(plan: Plan) -> pd.DataFrame:
    """Finished runs in the order of their ending; times in seconds since the epoch.

    Runs that an earlier study made are among them, with the times of then. Columns: see `COSTS`.
    """
    runs = _runs(plan)
    rows = [
        (run.id, run.recipe.stage, step.role, run.started, run.finished, run.seconds)
        for step in plan.steps
        if (run := runs.get(step.recipe.run_id)) is not None and run.state is State.DONE
    ]
    frame = pd.DataFrame(rows, columns=COSTS[:-1]).astype(
        {"started": float, "finished": float, "seconds": float}
    )
    ordered = frame.sort_values("finished", kind="stable", ignore_index=True)
    return ordered.assign(cumulative_seconds=np.cumsum(ordered["seconds"]))


def unfinished(plan: Plan) -> pd.DataFrame:
    """The runs that are not done, in the plan's order: run, role, state, message.

    The state is empty where a run was never asked for.
    """
    runs, parts = _runs(plan), {step.recipe.run_id: step.role for step in plan.steps}
    rows = []
    for name, role in parts.items():
        run = runs.get(name)
        if run is None or run.state is not State.DONE:
            state = "" if run is None else str(run.state)
            rows.append((name, role, state, _reason(run, runs, parts)))
    return pd.DataFrame(rows, columns=["run", "role", "state", "message"])


def _reason(run: Run | None, runs: Mapping[str, Run], parts: Mapping[str, str]) -> str:
    """What a run itself says; of one that waits, what the first run says that it waits for."""
    first = ""
    while run is not None and run.state is State.QUEUED and (name := _lacking(run, runs, parts)):
        first, run = name, runs.get(name)
    words = _words(run)
    return f"It waits for: {roles.title(parts[first])}, {first}. {words}" if first else words


def _lacking(run: Run, runs: Mapping[str, Run], parts: Mapping[str, str]) -> str:
    """An input of the plan that is not done; empty if there is none."""
    for name in run.recipe.needs:
        if name in parts and (name not in runs or runs[name].state is not State.DONE):
            return name
    return ""


def _words(run: Run | None) -> str:
    if run is None:
        return "It was not asked for yet, or has been deleted."
    if run.state is State.QUEUED:
        return "It waits for its turn."
    return f"{run.outcome.message} {run.outcome.hint}".strip() or f"It is {run.state.value}."


def _runs(plan: Plan) -> dict[str, Run]:
    return store.several(step.recipe.run_id for step in plan.steps)
