"""Rebuild a catalogue from what the run folders keep of themselves."""

import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path

from sparsekd.errors import BadInput
from sparsekd.runs import kept_records, permission, store
from sparsekd.runs.database import database
from sparsekd.runs.kept_records import PLANS, RECORD, TASKS, RunRecord
from sparsekd.runs.records import Recipe, State
from sparsekd.runs.schema import CATALOGUE

FIRST_BYTES = b"SQLite format 3\x00"


@dataclass
class Recovery:
    """What was found again: ids of runs, names of plans and tasks; and what could not be."""

    runs: list[str] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    moved: str = ""


def recover() -> Recovery:
    """Add to the catalogue every run, plan and task that it lacks; a broken one is moved away.

    A run that was at work when it was lost is interrupted, and goes on from its checkpoint.

    Runs of the catalogue that have no record yet, from an earlier version, get one.

    Raises:
        Unavailable: the catalogue is in use for long, or the folder cannot be written.
    """
    permission.check()
    home, found = store.own_home(), Recovery()
    with store.reading(None):
        if is_broken(home / CATALOGUE):
            found.moved = _move_away(home / CATALOGUE)
        known = {run.id for run in store.runs()}
        for folder in sorted((home / "runs").glob("*")):
            if folder.name not in known and folder.is_dir() and not folder.is_symlink():
                _recover_run(home, folder, found)
        for run in store.runs(states=[State.DONE, State.FAILED]):
            if run.folder.is_dir() and not (run.folder / RECORD).exists():
                store.write_record(run.id)
        _recover_rest(home, found)
    return found


def is_broken(path: Path) -> bool:
    """Return whether a catalogue exists and is no whole database."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        start = file.read(len(FIRST_BYTES))
    if start not in (FIRST_BYTES, b""):
        return True
    try:
        connection = sqlite3.connect(path, timeout=20)
        try:
            return bool(connection.execute("PRAGMA quick_check").fetchone()[0] != "ok")
        finally:
            connection.close()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return True


def _move_away(path: Path) -> str:
    """Rename a broken catalogue and what SQLite keeps beside it; return its new name."""
    mark = f"broken-{time.strftime('%Y%m%d-%H%M%S')}"
    for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        if each.exists():
            each.rename(each.with_name(f"{each.name}.{mark}"))
    return f"{path.name}.{mark}"


def _recover_run(home: Path, folder: Path, found: Recovery) -> None:
    try:
        record = kept_records.read(folder)
    except BadInput as error:
        found.lost.append(f"{folder.name}: {error.message}")
        return
    _insert(home, folder.name, record)
    found.runs.append(folder.name)


def _insert(home: Path, name: str, record: RunRecord) -> None:
    values = record.model_dump(mode="json")
    row = (name, Recipe(**record.recipe).to_json(), record.state, record.device)
    times = (record.created, record.created, record.started, record.finished, record.seconds)
    outcome = kept_records.as_json(values["outcome"])
    with database(home) as catalogue:
        catalogue.execute(
            "INSERT INTO runs (id, recipe, state, device, place, created, started, finished, "
            "seconds, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, *times, outcome),
        )
        catalogue.executemany(
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)",
            [(name, *event) for event in record.events],
        )


def _recover_rest(home: Path, found: Recovery) -> None:
    """Add the plans and tasks that the catalogue lacks."""
    for kind, table, column, names in (
        (PLANS, "plans", "id", found.plans),
        (TASKS, "tasks", "name", found.tasks),
    ):
        for name, text, created in kept_records.kept(home, kind):
            with database(home) as catalogue:
                known = catalogue.execute(f"SELECT 1 FROM {table} WHERE {column} = ?", (name,))
                if known.fetchone() is None:
                    catalogue.execute(
                        f"INSERT INTO {table} VALUES (?, ?, ?)", (name, text, created)
                    )
                    names.append(name)
