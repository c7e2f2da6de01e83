"""How soft the labels are that a plan's students learned from, one teacher's each."""

from collections.abc import Mapping

import pandas as pd

from sparsekd.runs.records import Plan, Run
from sparsekd.studies import results, roles, tuning

COLUMNS = ["role", "what", "entropy", "temperature", "seeds"]


def table(plan: Plan, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return one row per role: means over seeds of the soft labels' entropy, in nats; `COLUMNS`.

    `temperature` is that of the teacher. Students without soft labels of one teacher have no row,
    nor have runs of earlier versions, which did not measure it.
    """
    rows = [
        {
            "role": step.role,
            "what": roles.title(step.role),
            "entropy": run.outcome.facts["soft_label_entropy"],
            "temperature": run.outcome.facts["teacher_temperature"],
            "run": run.id,
        }
        for step in tuning.reported(plan).steps
        if results.done(run := runs.get(step.recipe.run_id))
        and "soft_label_entropy" in run.outcome.facts
    ]
    frame = pd.DataFrame(rows, columns=["role", "what", "entropy", "temperature", "run"])
    grouped = frame.drop_duplicates("run").groupby(["role", "what"], sort=False)
    means = grouped[["entropy", "temperature"]].mean().assign(seeds=grouped.size())
    return means.reset_index()[COLUMNS]
