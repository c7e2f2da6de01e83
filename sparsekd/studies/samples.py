"""A metric by seed, and how it depends on the examples, from the answers that runs keep."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from sparsekd.runs import outputs, references, store
from sparsekd.runs.records import Run
from sparsekd.studies import roles
from sparsekd.studies.estimates import Array, Sample, pooled
from sparsekd.tasks import jackknife

KEPT = 20_000  # runs of one metric and split whose values are kept in memory, a few MB


def by_role(frame: pd.DataFrame, split: str, metric: str) -> dict[str, Sample]:
    """Return a metric of each role by seed, and by teacher where a plan pools several.

    Until a role has a value with each teacher its sample is empty. The fine-tunings of a teacher
    are its seeds.

    Args:
        frame: The frame of `results.study_frame`.
    """
    chosen = frame[(frame["split"] == split) & (frame["metric"] == metric)]
    runs = store.get_many(chosen["run"])
    found = {}
    for role, own in chosen.groupby("role", sort=False):
        alone = roles.is_teacher(str(role)) or own["teachers"].max() == 1
        tables = [own] if alone else [table for _, table in own.groupby("teacher_seed")]
        complete = alone or len(tables) == own["teachers"].max()
        by_teacher = [_by_seed(table, runs, split, metric) for table in tables]
        found[str(role)] = pooled(by_teacher) if complete else Sample(pd.Series(dtype=float))
    return found


def _by_seed(own: pd.DataFrame, runs: Mapping[str, Run], split: str, metric: str) -> Sample:
    names = dict(zip(own["seed"], own["run"], strict=True))
    values = dict(zip(own["seed"], own["value"], strict=True))
    return of_runs(values, {seed: runs.get(name) for seed, name in names.items()}, split, metric)


def of_runs(
    values: Mapping[int, float], runs: Mapping[int, Run | None], split: str, metric: str
) -> Sample:
    """Return a metric by seed; without its dependence on examples where a run kept no answers.

    Args:
        values: The metric by seed. runs: The runs by seed.
    """
    by_seed = pd.Series(dict(values), dtype=np.float64).sort_index()
    rows = {seed: _of_run(run, split, metric) for seed, run in runs.items()}
    known = {seed: row for seed, row in rows.items() if row is not None}
    if not known or len(known) < len(by_seed) or len({len(row) for row in known.values()}) > 1:
        return Sample(by_seed)
    return Sample(by_seed, pd.DataFrame.from_dict(known, orient="index").sort_index())


def _of_run(run: Run | None, split: str, metric: str) -> Array | None:
    """Return a run's metric without each group of the split's examples; None without answers."""
    if run is None:
        return None
    path = run.folder / f"logits-{split}.npy"
    if not path.exists():
        return None
    return _left_out(run.folder, path.stat().st_mtime_ns, run.recipe.task, split, metric)


@lru_cache(maxsize=KEPT)
def _left_out(folder: Path, changed: int, task: str, split: str, metric: str) -> Array | None:
    """Compute the same from a run's folder; `changed` is when its answers were written."""
    kept, card = outputs.load_outputs(folder, split), references.card(task)
    if kept is None or not (metric == "loss" or metric in card.metrics):
        return None
    return jackknife.metric_without_groups(card, metric, *kept)
