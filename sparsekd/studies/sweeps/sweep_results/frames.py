"""Students and teachers of a sweep as frames, one by one and over λ and sparsity."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, cast

import numpy as np
import pandas as pd

from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.studies import teacher_kinds
from sparsekd.studies.estimates import interval
from sparsekd.studies.sweeps import sweep
from sparsekd.tasks.metrics import bounds
from sparsekd.units.divergence import distance

PLACE = ["ranking", "method", "lam", "sparsity"]
MEASURED = ["state", "split", "metric", "value", "parameters", "seconds"]
TEACHERS = [
    *("run", "ranking", "method", "lam", "sparsity", "seed", "split", "metric", "value"),
    *("distance", "parameters"),
]


def students(plan: Plan) -> pd.DataFrame:
    """Return every student's cell and metrics, one row per number.

    Columns: those of `sweep.cells`, state (empty where the run was never submitted), split,
    metric, value, parameters, seconds. A student that is not finished has one row without numbers.
    """
    cells = sweep.cells(plan)
    runs = store.get_many(cells["run"])
    return cells.merge(_numbers(cells["run"], runs), on="run", how="left")


def _numbers(names: Iterable[str], runs: Mapping[str, Run]) -> pd.DataFrame:
    rows = [row for name in names for row in _rows_of(name, runs.get(name))]
    return pd.DataFrame(rows, columns=["run", *MEASURED])


def _rows_of(name: str, run: Run | None) -> list[tuple[Any, ...]]:
    if run is None or run.state is not State.DONE:
        state = "" if run is None else str(run.state)
        return [(name, state, None, None, np.nan, np.nan, np.nan)]
    parameters = run.outcome.facts.get("parameters", np.nan)
    return [
        (name, str(run.state), split, metric, value, parameters, run.seconds)
        for split, metrics in run.outcome.metrics.items()
        for metric, value in metrics.items()
    ]


def teachers(plan: Plan) -> pd.DataFrame:
    """Return the dense teacher and every pruned one: metrics, and distance to the trial student.

    Columns: see `TEACHERS`. A teacher that several methods share has rows for each, and one that
    all seeds share (`teacher_kinds.SHARED`) has no seed; its distance is then the mean over the
    trial students of all seeds. The distance is the mean KL at T = 2 over the selection split; NaN
    where logits are not there yet.
    """
    cells = sweep.cells(plan)
    taught = cells[cells["teacher"] != ""]
    trial = taught[(taught["ranking"] == "dense") & (taught["attempt"] == 0)]
    trials = dict(zip(zip(trial["method"], trial["seed"], strict=True), trial["run"], strict=True))
    first = taught.drop_duplicates(["teacher", "method"])
    seeds = taught.groupby(["teacher", "method"])["seed"].unique()
    distance_of = _distances()
    rows = first[["teacher", *PLACE]].rename(columns={"teacher": "run"})
    rows["seed"] = first["seed"].where(~first["ranking"].isin(teacher_kinds.SHARED)).astype(float)
    rows["distance"] = [
        _mean(distance_of(run, trials.get((method, seed), "")) for seed in seeds[run, method])
        for run, method in zip(first["teacher"], first["method"], strict=True)
    ]
    names = rows["run"].unique()
    return rows.merge(_numbers(names, store.get_many(names)), on="run", how="left")[TEACHERS]


def _distances() -> Callable[[str, str], float]:
    """Return a function for the distance of two runs' logits that reads each file once."""
    read = cache(_array)

    def distance_of(teacher: str, student: str) -> float:
        t, s, labels = read(teacher, "logits"), read(student, "logits"), read(teacher, "labels")
        if t is None or s is None or t.shape != s.shape:
            return np.nan
        return distance(t, s, multilabel=labels is not None and labels.ndim == 2)

    return distance_of


def _array(run: str, what: str) -> np.ndarray[Any, Any] | None:
    """Return a run's logits or labels of the selection split; None where it left none.

    Raises:
        BadInput: the file is damaged.
    """
    path = store.folder(run) / f"{what}-selection.npy"
    if not run or not path.exists():
        return None
    try:
        values: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"{path} is damaged.", f"Delete run {run} and make it again.") from error
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


# --- over the grid ---------------------------------------------------------------------------


def measured(frame: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """Return the rows of one split and metric."""
    return frame[(frame["split"] == split) & (frame["metric"] == metric)]


def curve(students: pd.DataFrame, teachers: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """Return students over their seeds, per ranking, method, λ and sparsity, and their teachers.

    Columns: ranking, method, lam, sparsity, mean, low, high (95% interval over seeds), seeds,
    teacher_mean, teacher_distance. Further tries of the dense teacher's student are not in it.
    """
    values = measured(students, split, metric)
    grouped = values[values["attempt"] == 0].groupby(PLACE, sort=False, dropna=False)["value"]
    rows = [dict(zip(PLACE, place, strict=True)) | spread(own, metric) for place, own in grouped]
    means = pd.DataFrame(rows, columns=[*PLACE, "mean", "low", "high", "seeds"])
    own = measured(teachers, split, metric).groupby(PLACE, dropna=False)[["value", "distance"]]
    names = {"value": "teacher_mean", "distance": "teacher_distance"}
    return means.merge(own.mean().reset_index().rename(columns=names), on=PLACE, how="left")


def grid(students: pd.DataFrame, method: str, split: str, metric: str) -> pd.DataFrame:
    """Return one row per λ and sparsity; the dense cell is at sparsity 0 of every λ.

    Columns: lam, sparsity, mean, low, high, seeds, values (by rising seed). Planned cells that are
    not finished have no mean and no values.
    """
    own = students[(students["method"] == method) & (students["attempt"] == 0)]
    own = own[own["ranking"].isin(["scores", "dense"])].sort_values("seed")
    known = measured(own, split, metric).groupby(["lam", "sparsity"], dropna=False)["value"]
    # A group's key has the types of its columns, which the stubs cannot know.
    values = {_key(*cast("tuple[float, float]", place)): group for place, group in known}
    sparse = own[own["ranking"] == "scores"]
    rows = []
    for lam in sorted(sparse["lam"].unique()):
        at = sorted(sparse.loc[sparse["lam"] == lam, "sparsity"].unique())
        for sparsity in [0.0, *at]:
            own_values = values.get(_key(lam, sparsity), pd.Series(dtype=float))
            row = {"lam": lam, "sparsity": sparsity} | spread(own_values, metric)
            rows.append(row | {"values": own_values.tolist()})
    columns = ["lam", "sparsity", "mean", "low", "high", "seeds", "values"]
    return pd.DataFrame(rows, columns=columns)


def _key(lam: float, sparsity: float) -> tuple[float | None, float]:
    """Return the key of a cell; the dense teacher's has no λ."""
    return (None if sparsity == 0 else lam, sparsity)


def spread(values: pd.Series, metric: str) -> dict[str, float]:
    """Return the mean of a metric over seeds, its 95% interval, and the number of seeds."""
    low, high = interval(values.to_numpy(), bounds=bounds(metric))
    mean = float(values.mean()) if len(values) else np.nan
    return {"mean": mean, "low": low, "high": high, "seeds": len(values)}
