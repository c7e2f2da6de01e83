"""Runs of a sweep: what the finished ones cost, and why the others are missing."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run
from sparsekd.studies import results, roles

COSTS = ["run", "stage", "role", "started", "finished", "seconds", "cumulative_seconds"]


def costs(plan: Plan) -> pd.DataFrame:
    """Return the finished runs in the order in which they ended; times in Unix seconds.

    Runs that an earlier study made are among them, with their times of then. Columns: see `COSTS`.
    """
    runs = _runs(plan)
    rows = [
        (run.id, run.recipe.stage, step.role, run.started, run.finished, run.seconds)
        for step in plan.steps
        if results.done(run := runs.get(step.recipe.run_id))
    ]
    frame = pd.DataFrame(rows, columns=COSTS[:-1]).astype(
        {"started": float, "finished": float, "seconds": float}
    )
    ordered = frame.sort_values("finished", kind="stable", ignore_index=True)
    return ordered.assign(cumulative_seconds=np.cumsum(ordered["seconds"]))


def unfinished(plan: Plan) -> pd.DataFrame:
    """Return the runs that are not done, in the plan's order: run, role, state, message.

    The state is empty where a run was never submitted.
    """
    runs, role_of = _runs(plan), {step.recipe.run_id: step.role for step in plan.steps}
    rows = []
    for name, role in role_of.items():
        if not results.done(runs.get(name)):
            state = str(runs[name].state) if name in runs else ""
            rows.append((name, role, state, _message(name, runs, role_of)))
    return pd.DataFrame(rows, columns=["run", "role", "state", "message"])


def _message(name: str, runs: Mapping[str, Run], role_of: Mapping[str, str]) -> str:
    """Return why a run is not done; where it waits for another one, with its role and id."""
    first = results.blocking(name, runs, role_of)
    words = results.reason(runs.get(first))
    return (
        words if first == name else f"It waits for: {roles.title(role_of[first])}, {first}. {words}"
    )


def _runs(plan: Plan) -> dict[str, Run]:
    return store.get_many(step.recipe.run_id for step in plan.steps)
