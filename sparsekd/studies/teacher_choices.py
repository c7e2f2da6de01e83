"""How far the teachers that a plan's students selected agree with the oracle's and with all."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sparsekd.runs.records import Plan, Run
from sparsekd.studies import results, roles, tuning

COLUMNS = ["role", "what", "oracle", "equal", "chance", "seeds"]


def table(plan: Plan, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return one row per role that selects teachers: means over seeds; `COLUMNS`.

    `oracle` and `equal` are the mean overlap of the weights that it trained with, with those of the
    teacher of the smallest gold loss, and with equal ones; `chance` is that of one teacher drawn at
    random. Runs of earlier versions, which did not measure it, have no row.
    """
    rows = [
        {"role": step.role, "what": roles.title(step.role), "run": run.id}
        | run.outcome.facts["choice_agreement"]
        for step in tuning.reported(plan).steps
        if results.done(run := runs.get(step.recipe.run_id))
        and "choice_agreement" in run.outcome.facts
    ]
    frame = pd.DataFrame(rows, columns=["role", "what", "run", "oracle", "equal", "chance"])
    grouped = frame.drop_duplicates("run").groupby(["role", "what"], sort=False)
    means = grouped[["oracle", "equal", "chance"]].mean().assign(seeds=grouped.size())
    return means.reset_index()[COLUMNS]


def in_words(facts: Mapping[str, Any]) -> str:
    """Return the agreement of a run's choices in words; empty where it selects no teacher."""
    found = facts.get("choice_agreement")
    if not found:
        return ""
    return (
        f"Overlap of the teachers' weights in training with the oracle's (the teacher with the "
        f"smallest loss on the gold label): {found['oracle']:.2f}; with equal weights: "
        f"{found['equal']:.2f}. One teacher drawn at random has {found['chance']:.2f} with either."
    )
