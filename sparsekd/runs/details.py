"""Details of one run: its log, its files, its metrics, and facts in one line."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pandas as pd

from sparsekd.runs import tables
from sparsekd.runs.records import Run

TAIL = 60
"""Lines of the log that are shown."""


def filter_runs(runs: Iterable[Run], state: str = "", stage: str = "", task: str = "") -> list[Run]:
    """Return the runs with this state, stage and task; an empty one filters nothing."""
    return [
        run
        for run in runs
        if state in ("", run.state.value)
        and stage in ("", run.recipe.stage)
        and task in ("", run.recipe.task)
    ]


def facts_line(run: Run, worked: str) -> str:
    """Return id, stage, task, seed, device, submission and time worked in one line."""
    submitted = datetime.fromtimestamp(run.created).strftime("%d %b %Y, %H:%M")
    parts = [
        run.id,
        tables.STAGES[run.recipe.stage],
        run.recipe.task,
        f"seed {run.recipe.seed}",
        f"device {run.device}",
        f"submitted on {submitted}",
        f"worked {worked}" if run.seconds else "",
    ]
    return " · ".join(part for part in parts if part)


def metric_table(run: Run) -> pd.DataFrame:
    """Return one row per split with the run's metrics."""
    return pd.DataFrame(run.outcome.metrics).T.rename_axis("split").reset_index()


def log_tail(run: Run) -> str:
    """Return the last lines of a run's log; empty before the first."""
    path = run.folder / "log.txt"
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-TAIL:])


def file_table(folder: Path) -> pd.DataFrame:
    """Return the files below a folder with their sizes in bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    rows = [(str(path.relative_to(folder)), path.stat().st_size) for path in files]
    return pd.DataFrame(rows, columns=["file", "bytes"])
