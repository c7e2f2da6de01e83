"""Results of a study: its finished models as frames, means with intervals, verdicts."""

from collections.abc import Container, Mapping
from typing import Any, TypeGuard

import pandas as pd

from sparsekd.runs import store
from sparsekd.runs.records import Plan, Progress, Run, State
from sparsekd.studies import roles, samples, tuning, verdict
from sparsekd.studies.teacher_parts import parts, teacher_seed
from sparsekd.tasks.metrics import bounds

CONTROLS = ("trial_student", "random_mask_student", "plain_student")
FRAME = [
    *("role", "method", "seed", "teacher_seed", "teachers", "split", "metric", "value"),
    *("parameters", "seconds", "run"),
]
OF_TEACHER = "teacher seed "
SUMMARY = ["role", "what", "mean", "low", "high", "seeds", "parameters", "seconds"]


def plan_progress(plan: Plan, runs: dict[str, Run] | None = None) -> Progress:
    """Return how many steps of a study are done; `eta` is that of the running step."""
    runs = store.get_many(step.recipe.run_id for step in plan.steps) if runs is None else runs
    states = [runs[s.recipe.run_id] for s in plan.steps if s.recipe.run_id in runs]
    done = sum(run.state is State.DONE for run in states)
    active = next((run for run in states if run.state is State.RUNNING), None)
    if active is None:
        return Progress("done" if done == len(plan.steps) else "", done, len(plan.steps))
    role = next(step.role for step in plan.steps if step.recipe.run_id == active.id)
    return Progress(
        f"{roles.title(role)}: {active.progress.phase}",
        done,
        len(plan.steps),
        active.progress.examples_per_second,
        active.progress.eta,
        active.progress.memory_mib,
    )


def done(run: Run | None) -> TypeGuard[Run]:
    """Return whether a run exists and has finished well."""
    return run is not None and run.state is State.DONE


def blocking(name: str, runs: Mapping[str, Run], planned: Container[str]) -> str:
    """Return the run that keeps a run from being done: one that it waits for, or itself."""
    while (run := runs.get(name)) is not None and run.state is State.QUEUED:
        waits = (each for each in run.recipe.needs if each in planned)
        needed = next((each for each in waits if not done(runs.get(each))), None)
        if needed is None:
            break
        name = needed
    return name


def reason(run: Run | None) -> str:
    """Return why a run is not done, in words."""
    if run is None:
        return "It was not submitted yet, or has been deleted."
    if run.state is State.QUEUED:
        return "It waits for its turn."
    return f"{run.outcome.message} {run.outcome.hint}".strip() or f"It is {run.state.value}."


def study_rows(plan: Plan) -> list[dict[str, Any]]:
    """Return one row per finished model and reported split, in the order of the plan.

    Of a tuned variant that is the chosen setting, once there is one. `teacher_seed` is that of the
    teacher's fine-tuning, `teachers` the number of these that the plan pools; a model that needs
    none of them has a row for each.
    """
    pooled = parts(plan)
    runs = store.get_many(step.recipe.run_id for step in plan.steps)
    return [
        {
            "role": step.role,
            "method": step.recipe.method,
            "seed": step.seed,
            "teacher_seed": teacher_seed(part),
            "teachers": len(pooled),
            "split": split,
            "metrics": metrics,
            "parameters": runs[step.recipe.run_id].outcome.facts["parameters"],
            "seconds": round(runs[step.recipe.run_id].seconds, 3),
            "run": step.recipe.run_id,
        }
        for part in pooled
        for step in tuning.reported(part).steps
        if roles.is_reported(step.role) and done(runs.get(step.recipe.run_id))
        for split, metrics in runs[step.recipe.run_id].outcome.metrics.items()
        if split != "selection"
    ]


def study_frame(plan: Plan) -> pd.DataFrame:
    """Return the same in long form, one row per metric.

    Columns: see `FRAME`.
    """
    rows = [
        {key: value for key, value in row.items() if key != "metrics"}
        | {"metric": metric, "value": value}
        for row in study_rows(plan)
        for metric, value in row["metrics"].items()
    ]
    return pd.DataFrame(rows, columns=FRAME)


def summary(frame: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """Return the mean over seeds of each role, with its 95% interval; NaN for one seed.

    The interval is for new seeds and new examples, as far as runs have kept their answers, and of
    several teachers for new ones.
    Columns: see `SUMMARY`.
    """
    chosen = frame[(frame["split"] == split) & (frame["metric"] == metric)]
    by_role = samples.by_role(frame, split, metric)
    rows = []
    for role in chosen["role"].unique():
        group = chosen[chosen["role"] == role]
        low, high = by_role[role].estimate().interval(bounds=bounds(metric))
        rows.append(
            {
                "role": role,
                "what": roles.title(role),
                "mean": group["value"].mean(),
                "low": low,
                "high": high,
                "seeds": group["seed"].nunique(),
                "parameters": int(group["parameters"].mean()),
                "seconds": group["seconds"].mean(),
            }
        )
    return pd.DataFrame(rows, columns=SUMMARY)


def teacher_means(frame: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """Return the mean over seeds of each role with each teacher; empty where one is not pooled.

    Columns: role, and "teacher seed 0" and so on.
    """
    chosen = frame[(frame["split"] == split) & (frame["metric"] == metric)]
    if not (chosen["teachers"] > 1).any():
        return pd.DataFrame(columns=["role"])
    means = chosen.pivot_table(index="role", columns="teacher_seed", values="value", sort=False)
    means.columns = [f"{OF_TEACHER}{seed}" for seed in means.columns]
    return means.reset_index()


def teacher_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of the means with each teacher."""
    return [name for name in map(str, table.columns) if name.startswith(OF_TEACHER)]


def comparisons(frame: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """Return the verdict on the sparse teacher's student against each control.

    Columns: control, what (its title), and those of `verdict.Verdict`. Controls that are not
    finished have no row, but count in the correction.
    """
    values = samples.by_role(frame, split, metric)
    pairs = {
        control: (values["student"], values[control])
        for control in CONTROLS
        if {"student", control} <= values.keys()
    }
    return verdict.table(verdict.verdicts(pairs, CONTROLS, metric), "control", roles.title)
