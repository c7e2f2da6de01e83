"""Results of a study: its finished models as frames, means with intervals, paired comparisons."""

from typing import Any

import numpy as np
import pandas as pd

from sparsekd.runs import store
from sparsekd.runs.records import Plan, Progress, Run, State
from sparsekd.studies import roles
from sparsekd.studies.stats import CONFIDENCE, LEAST_SEEDS, interval

CONTROLS = ("trial_student", "random_mask_student", "plain_student")


def plan_progress(plan: Plan, runs: dict[str, Run] | None = None) -> Progress:
    """How far a study is, in steps; `eta` is the running step's own."""
    runs = store.several(step.recipe.run_id for step in plan.steps) if runs is None else runs
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


def study_rows(plan: Plan) -> list[dict[str, Any]]:
    """One row per finished model and reported split, in the order of the plan."""
    runs = store.several(step.recipe.run_id for step in plan.steps)
    return [
        {
            "role": step.role,
            "method": step.recipe.method,
            "seed": step.seed,
            "split": split,
            "metrics": metrics,
            "parameters": runs[step.recipe.run_id].outcome.facts["parameters"],
            "seconds": round(runs[step.recipe.run_id].seconds, 3),
            "run": step.recipe.run_id,
        }
        for step in plan.steps
        if roles.reported(step.role) and _done(runs.get(step.recipe.run_id))
        for split, metrics in runs[step.recipe.run_id].outcome.metrics.items()
        if split != "selection"
    ]


def _done(run: Run | None) -> bool:
    return run is not None and run.state is State.DONE


def study_frame(plan: Plan) -> pd.DataFrame:
    """Long form: role, seed, split, metric, value, parameters, seconds, run."""
    rows = [
        {key: value for key, value in row.items() if key != "metrics"}
        | {"metric": metric, "value": value}
        for row in study_rows(plan)
        for metric, value in row["metrics"].items()
    ]
    columns = [
        *("role", "method", "seed", "split", "metric", "value", "parameters", "seconds", "run"),
    ]
    return pd.DataFrame(rows, columns=columns)


def summary(frame: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """Per role: mean over seeds, its 95 % t interval (NaN for one seed), seeds, parameters."""
    chosen = frame[(frame["split"] == split) & (frame["metric"] == metric)]
    rows = []
    for role in chosen["role"].unique():
        group = chosen[chosen["role"] == role]
        low, high = interval(group["value"].to_numpy())
        rows.append(
            {
                "role": role,
                "what": roles.title(role),
                "mean": group["value"].mean(),
                "low": low,
                "high": high,
                "seeds": len(group),
                "parameters": int(group["parameters"].mean()),
                "seconds": group["seconds"].mean(),
            }
        )
    columns = ["role", "what", "mean", "low", "high", "seeds", "parameters", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def comparisons(frame: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """The student of the sparse teacher against each control, paired over seeds, with a verdict."""
    chosen = frame[(frame["split"] == split) & (frame["metric"] == metric)]
    by_seed = chosen.pivot_table(index="seed", columns="role", values="value")
    rows = []
    for control in CONTROLS:
        if not {"student", control} <= set(by_seed.columns):
            continue
        pairs = by_seed[["student", control]].dropna()
        differences = (pairs["student"] - pairs[control]).to_numpy()
        low, high = interval(differences)
        rows.append(
            {
                "control": control,
                "what": roles.title(control),
                "difference": float(np.mean(differences)) if len(differences) else float("nan"),
                "low": low,
                "high": high,
                "seeds": len(differences),
                "verdict": verdict(differences, lower_is_better=metric == "loss"),
            }
        )
    columns = ["control", "what", "difference", "low", "high", "seeds", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def verdict(
    differences: np.ndarray, lower_is_better: bool = False, confidence: float = CONFIDENCE
) -> str:
    """better, worse or inconclusive, in words: fewer than five paired seeds prove nothing."""
    seeds = len(differences)
    if seeds < LEAST_SEEDS:
        return f"inconclusive: {seeds} of at least {LEAST_SEEDS} seeds"
    low, high = interval(-differences if lower_is_better else differences, confidence)
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    return "inconclusive: the interval contains 0"
