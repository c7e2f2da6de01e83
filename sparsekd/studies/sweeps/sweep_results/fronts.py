"""Quality against size and measured speed, of teachers and students, over several studies."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sparsekd.catalog import rankings
from sparsekd.runs import measurements, store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.studies import teacher_kinds
from sparsekd.studies.sweeps.sweep_results.frames import PLACE, measured, students, teachers
from sparsekd.tasks import metrics

FRONT = ["what", "kind", "study", "parameters", "quality", "latency_ms", "setting", "on_front"]
Setting = tuple[str, int, int]


def front(plans: Sequence[Plan], split: str, metric: str) -> pd.DataFrame:
    """Return teachers and students as points: parameters, quality (means over seeds), latency.

    Cells that lack a seed are left out. `on_front` marks the Pareto-optimal ones. Many points are
    compared on the reported split here, so the front is a picture and no choice: the best are
    partly lucky. `latency_ms` is the median of a forward pass where a measuring run exists, at the
    one `setting` (device, batch, tokens) at which most models were measured. Columns: see `FRONT`.
    """
    rows = [row for plan in plans for row in _points(plan, split, metric)]
    speed, setting = _latencies({run for row in rows for run in row["runs"]})
    for row in rows:
        known = [speed[run] for run in row.pop("runs") if run in speed]
        row["latency_ms"] = float(np.mean(known)) if known else np.nan
        row["setting"] = setting if known else ""
    points = pd.DataFrame(rows, columns=FRONT[:-1])
    return points.assign(on_front=pareto_optimal(points, metrics.lower_is_better(metric)))


def pareto_optimal(points: pd.DataFrame, lower_is_better: bool = False) -> list[bool]:
    """Return which points no other one dominates: at least as small and as good, better in one."""
    worth = (-points["quality"] if lower_is_better else points["quality"]).to_numpy(dtype=float)
    size = points["parameters"].to_numpy(dtype=float)
    as_good = (worth[:, None] >= worth) & (size[:, None] <= size)
    better = (worth[:, None] > worth) | (size[:, None] < size)
    dominated = (as_good & better).any(axis=0)
    return [bool(known) for known in ~dominated & np.isfinite(worth) & np.isfinite(size)]


def _points(plan: Plan, split: str, metric: str) -> Iterator[dict[str, Any]]:
    made = measured(teachers(plan).drop_duplicates(["run", "split", "metric"]), split, metric)
    for place, own in made.groupby(PLACE, sort=False, dropna=False):
        yield _point(plan, "teacher" if place[0] == "dense" else "sparse teacher", place, own)
    taught = students(plan)
    taught = taught[taught["attempt"] == 0]
    seeds = taught["seed"].nunique()
    for place, own in measured(taught, split, metric).groupby(PLACE, sort=False, dropna=False):
        if len(own) == seeds:
            yield _point(plan, "student", place, own)


def _point(plan: Plan, kind: str, place: Sequence[Any], own: pd.DataFrame) -> dict[str, Any]:
    return {
        "what": _words(kind, *place),
        "kind": kind,
        "study": plan.title,
        "parameters": float(own["parameters"].mean()),
        "quality": float(own["value"].mean()),
        "runs": list(own["run"]),
    }


def _words(kind: str, ranking: str, method: str, lam: float, sparsity: float) -> str:
    if kind == "teacher":
        return "Teacher"
    if ranking in ("none", "dense"):
        return f"Student {'without' if ranking == 'none' else 'of the dense'} teacher, {method}"
    if ranking in teacher_kinds.ANSWER_CONTROLS:
        return teacher_kinds.student_title(ranking)
    by = f", λ {lam:g}" if ranking == "scores" else f" {rankings.find(ranking).phrase}"
    removed = f"{sparsity:.0%} removed{by}"
    return f"Teacher, {removed}" if kind == "sparse teacher" else f"Student, teacher with {removed}"


# --- speed -----------------------------------------------------------------------------------


def _latencies(models: set[str]) -> tuple[dict[str, float], str]:
    """Return milliseconds per forward pass by run, at the setting at which most were measured."""
    runs = [
        run
        for run in reversed(store.runs(stage="measure", states=[State.DONE]))
        if run.recipe.inputs["model"] in models
    ]
    latencies: dict[Setting, dict[str, float]] = {}
    for run in runs:  # the newest last: it replaces earlier ones
        for setting, milliseconds in _measured(run):
            latencies.setdefault(setting, {})[run.recipe.inputs["model"]] = milliseconds
    if not latencies:
        return {}, ""
    chosen = min(latencies, key=lambda setting: (-len(latencies[setting]), setting))
    device, batch, tokens = chosen
    return latencies[chosen], f"{device}, batch {batch}, {tokens} tokens"


def _measured(run: Run) -> Iterator[tuple[Setting, float]]:
    """Yield the latencies of the model as it is: without a mask, the last, smallest variant."""
    table = measurements.table(run)
    variant = table["variant"].iloc[0 if "mask" in run.recipe.inputs else -1]
    for row in table[table["variant"] == variant].to_dict("records"):
        setting = (str(run.recipe.params["device"]), int(row["batch"]), int(row["tokens"]))
        yield setting, float(row["milliseconds"])
