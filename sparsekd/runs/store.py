"""The catalogue of runs: one SQLite database and one folder per run, under SPARSEKD_HOME.

Workers write, pages and command lines read. A run counts as running only while its worker holds
the run's file lock, which the kernel releases however the worker ends.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from shutil import rmtree
from typing import Any

from sparsekd.errors import BadInput, unknown
from sparsekd.runs import kept_records, permission
from sparsekd.runs.database import database
from sparsekd.runs.records import Event, Outcome, Plan, Progress, Recipe, Run, State
from sparsekd.runs.schema import RUN_LOCK
from sparsekd.system import locks

BEGINNING = "(id = :id OR (LENGTH(:id) >= 4 AND SUBSTR(id, 1, LENGTH(:id)) = :id))"
SAMPLE_FACTS = "sample.json"  # in the folder of the sample's store
KILLED = "Its worker ended without a word: killed, out of memory, or the machine went down."
GONE = "Its folder is gone."
AGAIN = "Resume it: it is made again; or put the folder back."
RESUME = "Resume it; where memory ran out, lower batch_size or max_length first."


_read: ContextVar[Path | None] = ContextVar("store", default=None)


def own_home() -> Path:
    """Return the folder of one's own store: SPARSEKD_HOME, or .sparsekd in the user's home."""
    return Path(os.environ.get("SPARSEKD_HOME") or Path.home() / ".sparsekd").expanduser()


def home() -> Path:
    """Return the folder of the store that is read: one's own, or the one named by `reading`."""
    return _read.get() or own_home()


@contextmanager
def reading(place: Path | None) -> Iterator[None]:
    """Read the store in this folder while the block lasts; None: one's own."""
    token = _read.set(place)
    try:
        yield
    finally:
        _read.reset(token)


def folder(run_id: str) -> Path:
    """Return the folder of one run's files."""
    return home() / "runs" / run_id


def check_own() -> None:
    """Refuse to change the sample's store.

    Raises:
        BadInput: the store that is read is the sample's.
    """
    if (home() / SAMPLE_FACTS).exists():
        raise BadInput(
            "This store is the sample study's, which is only read.",
            "Change your own: leave the sample, or name another folder with SPARSEKD_HOME.",
        )


def newest() -> float:
    """Return when the newest run of the store was submitted, in seconds; 0 without runs."""
    with _database() as catalogue:
        row = catalogue.execute("SELECT MAX(created) AS newest FROM runs").fetchone()
    return float(row["newest"] or 0.0)


def prepare() -> None:
    """Make the catalogue, or bring one of an earlier format up to date.

    Raises:
        Unavailable: runs of an earlier version are at work, or the folder cannot be written.
    """
    with _database():
        pass


def _database() -> AbstractContextManager[sqlite3.Connection]:
    return database(home())


# --- runs ------------------------------------------------------------------------------------


def create(recipe: Recipe, device: str = "auto") -> Run:
    """Add a recipe as a queued run; one that exists is left as it is."""
    create_all([recipe], device)
    return get(recipe.run_id)


def create_all(recipes: Iterable[Recipe], device: str = "auto", retries: int = 0) -> None:
    """Add recipes as queued runs, in this order and at once; those that exist stay as they are.

    `retries` is how often each is retried after a failure that is not lasting.
    """
    permission.check()
    now = time.time()
    rows = [
        (recipe.run_id, recipe.to_json(), State.QUEUED, device, now, now, retries)
        for recipe in recipes
    ]
    with _database() as catalogue:
        catalogue.executemany(
            "INSERT OR IGNORE INTO runs (id, recipe, state, device, place, created, retries) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )


def requeue(run_id: str, device: str | None = None) -> None:
    """Put a run that is neither finished nor running at the end of the queue."""
    requeue_all([run_id], device)


def requeue_all(run_ids: Iterable[str], device: str | None = None, retries: int = 0) -> None:
    """Put runs that are neither finished nor running at the end of the queue, in this order."""
    permission.check()
    now = time.time()
    rows = [
        (State.QUEUED, now + place * 1e-6, device, retries, name, State.DONE, _is_gone(name))
        for place, name in enumerate(run_ids)
    ]
    with _database() as catalogue:
        catalogue.executemany(
            "UPDATE runs SET state = ?, cancel = 0, outcome = '{}', finished = NULL, pid = NULL, "
            "place = ?, device = COALESCE(?, device), retries = ?, failures = 0 "
            "WHERE id = ? AND (state != ? OR ?)",
            rows,
        )


def retry(run_id: str) -> None:
    """Queue a failed run once more, at its old place."""
    with _database() as catalogue:
        catalogue.execute(
            "UPDATE runs SET state = ?, outcome = '{}', finished = NULL, pid = NULL, "
            "retries = retries - 1, failures = failures + 1 WHERE id = ? AND state != ?",
            (State.QUEUED, run_id, State.DONE),
        )


def get(run_id: str) -> Run:
    """Return one run, by its id or by an unambiguous beginning of four letters or more.

    Ids of an earlier format of the catalogue are known too.
    """
    with _database() as catalogue:
        rows = catalogue.execute(f"SELECT * FROM runs WHERE {BEGINNING}", {"id": run_id}).fetchall()
        rows = (
            rows
            or catalogue.execute(
                f"SELECT * FROM runs WHERE id IN (SELECT now FROM renamed WHERE {BEGINNING})",
                {"id": run_id},
            ).fetchall()
        )
        if not rows:
            known = [row["id"] for row in catalogue.execute("SELECT id FROM runs")]
            raise unknown("run", run_id, known)
    if len(rows) > 1:
        raise BadInput(f"{run_id!r} fits {len(rows)} runs.", "Give more letters of the id.")
    return _run(rows[0])


def current_id(name: str) -> str:
    """Return the id that the run or plan has now which an earlier format called `name`."""
    with _database() as catalogue:
        row = catalogue.execute("SELECT now FROM renamed WHERE id = ?", (name,)).fetchone()
    return str(row["now"]) if row else name


def runs(
    stage: str | None = None, states: Iterable[State] | None = None, task: str | None = None
) -> list[Run]:
    """Return all runs, the newest first."""
    wanted = set(State if states is None else states)
    # What the database calls running or done may have been interrupted.
    stored = wanted | ({State.RUNNING, State.DONE} if State.INTERRUPTED in wanted else set())
    with _database() as catalogue:
        rows = catalogue.execute(
            "SELECT * FROM runs WHERE (? IS NULL OR json_extract(recipe, '$.stage') = ?) "
            "AND (? IS NULL OR json_extract(recipe, '$.task') = ?) "
            f"AND state IN ({','.join('?' * len(stored))}) ORDER BY created DESC, rowid DESC",
            (stage, stage, task, task, *stored),
        ).fetchall()
    return [run for run in map(_run, rows) if run.state in wanted]


def finished_stamp() -> tuple[int, float]:
    """Return how many runs are done, and when the last one ended: equal while none is added."""
    with _database() as catalogue:
        row = catalogue.execute(
            "SELECT COUNT(*), MAX(finished) FROM runs WHERE state = ?", (State.DONE,)
        ).fetchone()
    return int(row[0]), float(row[1] or 0)


def runs_of_teachers(run_ids: Iterable[str]) -> list[Run]:
    """Return the runs whose first teacher is one of these, the oldest first."""
    with _database() as catalogue:
        rows = catalogue.execute(
            "SELECT * FROM runs WHERE json_extract(recipe, '$.inputs.teacher') IN "
            "(SELECT value FROM json_each(?)) ORDER BY created, rowid",
            (json.dumps(list(run_ids)),),
        ).fetchall()
    return [_run(row) for row in rows]


def get_many(run_ids: Iterable[str]) -> dict[str, Run]:
    """Return those of the named runs that exist, by id, in one read."""
    with _database() as catalogue:
        rows = catalogue.execute(
            "SELECT * FROM runs WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(run_ids)),),  # one value: the number of ids has no limit
        ).fetchall()
    return {row["id"]: _run(row) for row in rows}


def queued() -> list[Run]:
    """Return queued runs, the longest waiting first."""
    with _database() as catalogue:
        rows = catalogue.execute(
            "SELECT * FROM runs WHERE state = ? ORDER BY place, rowid", (State.QUEUED,)
        ).fetchall()
    return [_run(row) for row in rows]


def running() -> list[Run]:
    """Return runs whose worker is alive."""
    with _database() as catalogue:
        rows = catalogue.execute("SELECT * FROM runs WHERE state = ?", (State.RUNNING,)).fetchall()
    return [run for run in map(_run, rows) if run.state is State.RUNNING]


def _run(row: sqlite3.Row) -> Run:
    state = State(row["state"])
    outcome = Outcome(**json.loads(row["outcome"]))
    if state is State.RUNNING and not is_locked(row["id"]):
        # A worker writes the end before it releases the lock: was it written after the first read?
        latest = _row(row["id"])
        if latest is not None and tuple(latest) != tuple(row):
            return _run(latest)
        state, outcome = State.INTERRUPTED, Outcome(message=KILLED, hint=RESUME)
    if state is State.DONE and _is_gone(row["id"]):
        state, outcome = State.INTERRUPTED, Outcome(message=GONE, hint=AGAIN)
    return Run(
        recipe=Recipe.from_json(row["recipe"]),
        state=state,
        folder=folder(row["id"]),
        device=row["device"],
        pid=row["pid"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        seconds=row["seconds"],
        retries=row["retries"],
        failures=row["failures"],
        progress=Progress(**json.loads(row["progress"])),
        outcome=outcome,
    )


def _is_gone(run_id: str) -> bool:
    """Return whether a run's folder is gone; the sample has none of runs that left no file."""
    return not folder(run_id).exists() and not (home() / SAMPLE_FACTS).exists()


def _row(run_id: str) -> sqlite3.Row | None:
    with _database() as catalogue:
        row: sqlite3.Row | None = catalogue.execute(
            "SELECT * FROM runs WHERE id = ?", (run_id,)
        ).fetchone()
    return row


def _set(run_id: str, **columns: Any) -> None:
    names = ", ".join(f"{name} = ?" for name in columns)
    with _database() as catalogue:
        catalogue.execute(f"UPDATE runs SET {names} WHERE id = ?", (*columns.values(), run_id))


def start(run_id: str, device: str, pid: int) -> None:
    """Mark a run as running; its worker holds the lock."""
    now = time.time()
    _set(run_id, state=State.RUNNING, device=device, pid=pid, started=now, finished=None)
    write_record(run_id)


def report(run_id: str, progress: Progress, events: Iterable[Event] = ()) -> None:
    """Write a run's progress, and the numbers logged since the last report."""
    report_all([(run_id, progress, events)])


def report_all(reports: Iterable[tuple[str, Progress, Iterable[Event]]]) -> None:
    """Write the reports of several runs in one transaction."""
    progress: list[tuple[str, str]] = []
    rows: list[tuple[str, int, str, float]] = []
    for run_id, now, events in reports:
        progress.append((json.dumps(asdict(now)), run_id))
        rows += [(run_id, event.step, event.name, event.value) for event in events]
    with _database() as catalogue:
        catalogue.executemany("UPDATE runs SET progress = ? WHERE id = ?", progress)
        catalogue.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)", rows)


def finish(run_id: str, state: State, outcome: Outcome, seconds: float) -> None:
    """Write the end of a run; its `seconds` are added to those before it was interrupted.

    The run's folder keeps it too: see `kept_records`.
    """
    with _database() as catalogue:
        catalogue.execute(
            "UPDATE runs SET state = ?, outcome = ?, finished = ?, seconds = seconds + ?, "
            "pid = NULL WHERE id = ?",
            (state, json.dumps(asdict(outcome)), time.time(), seconds, run_id),
        )
        _write_record(catalogue, run_id)


def write_record(run_id: str) -> None:
    """Write what a run's folder keeps of it."""
    with _database() as catalogue:
        _write_record(catalogue, run_id)


def _write_record(catalogue: sqlite3.Connection, run_id: str) -> None:
    row = catalogue.execute("SELECT * FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is not None:  # it may have been deleted under way
        kept_records.write(folder(run_id), row, _events(catalogue, run_id))


def events(run_id: str) -> list[Event]:
    """Return every number that a run has logged, by name and step."""
    with _database() as catalogue:
        return _events(catalogue, run_id)


def _events(catalogue: sqlite3.Connection, run_id: str) -> list[Event]:
    rows = catalogue.execute(
        "SELECT step, name, value FROM events WHERE run = ? ORDER BY name, step", (run_id,)
    ).fetchall()
    return [Event(*row) for row in rows]


def delete_events_after(run_id: str, step: int) -> None:
    """Delete numbers logged after a step: a resumed run logs them again."""
    with _database() as catalogue:
        catalogue.execute("DELETE FROM events WHERE run = ? AND step > ?", (run_id, step))


def request_cancel(*run_ids: str) -> None:
    """Request that runs stop; those that have not begun are cancelled at once."""
    permission.check()
    now = time.time()
    with _database() as catalogue:
        catalogue.executemany("UPDATE runs SET cancel = 1 WHERE id = ?", [(n,) for n in run_ids])
        catalogue.executemany(
            "UPDATE runs SET state = ?, finished = ? WHERE id = ? AND state = ?",
            [(State.CANCELLED, now, name, State.QUEUED) for name in run_ids],
        )


def cancel_requested(run_id: str) -> bool:
    """Return whether the run was requested to stop, or deleted."""
    with _database() as catalogue:
        row = catalogue.execute("SELECT cancel FROM runs WHERE id = ?", (run_id,)).fetchone()
    return row is None or bool(row["cancel"])


def cancel_requests(run_ids: Iterable[str]) -> list[str]:
    """Return those of the named runs that were requested to stop."""
    with _database() as catalogue:
        rows = catalogue.execute(
            "SELECT id FROM runs WHERE cancel = 1 AND id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(run_ids)),),
        ).fetchall()
    return [row["id"] for row in rows]


def delete(run_id: str) -> None:
    """Remove a run and its files.

    Raises:
        BadInput: it is running, other runs start from it, or the store is not one's own.
    """
    permission.check()
    check_own()
    run = get(run_id)
    if run.state is State.RUNNING:
        raise BadInput(f"Run {run.id} is running.", "Cancel it first.")
    users = [other.id for other in runs() if run.id in other.recipe.needs]
    if users:
        raise BadInput(
            f"Run {run.id} is the starting point of {', '.join(users)}.", "Delete those first."
        )
    with _database() as catalogue:
        for table, column in (("runs", "id"), ("events", "run")):
            catalogue.execute(f"DELETE FROM {table} WHERE {column} = ?", (run.id,))
    rmtree(run.folder, ignore_errors=True)


# --- locks -----------------------------------------------------------------------------------


@contextmanager
def hold_lock(run_id: str) -> Iterator[None]:
    """Hold the run's lock: each run has at most one worker.

    Raises:
        BadInput: another process holds it.
    """
    with locks.hold_lock(
        folder(run_id) / RUN_LOCK, f"Run {run_id} is worked on by another process."
    ):
        yield


def is_locked(run_id: str) -> bool:
    """Return whether a living process holds the run's lock."""
    return locks.is_locked(folder(run_id) / RUN_LOCK)


# --- plans and tasks --------------------------------------------------------------------------


def save_plan(plan: Plan) -> None:
    """Save a plan, so that its runs can be shown together."""
    permission.check()
    text, now = plan.to_json(), time.time()
    kept_records.keep(home(), kept_records.PLANS, plan.id, text, now)
    with _database() as catalogue:
        catalogue.execute("INSERT OR REPLACE INTO plans VALUES (?, ?, ?)", (plan.id, text, now))


def plans() -> list[Plan]:
    """Return all plans, the latest first."""
    return [plan for _, plan in dated_plans()]


def dated_plans() -> list[tuple[float, Plan]]:
    """Return when each plan was requested, in seconds, and the plan; the latest first."""
    with _database() as catalogue:
        rows = catalogue.execute("SELECT plan, created FROM plans ORDER BY created DESC").fetchall()
    return [(float(row["created"]), _read_plan(row["plan"])) for row in rows]


_read_plan = lru_cache(maxsize=64)(Plan.from_json)  # a thousand runs take a while to read


def plan(plan_id: str) -> Plan:
    """Return one plan by its id."""
    found, current = {known.id: known for known in plans()}, current_id(plan_id)
    if current not in found:
        raise unknown("study", plan_id, found)
    return found[current]


def plan_runs(plan: Plan) -> dict[str, Run]:
    """Return the runs of a plan that exist, by id, in one read."""
    return get_many(step.recipe.run_id for step in plan.steps)


def save_task(name: str, card: str) -> None:
    """Register a local task's card (JSON) under its name."""
    permission.check()
    now = time.time()
    kept_records.keep(own_home(), kept_records.TASKS, name, card, now)
    with reading(None), _database() as catalogue:
        catalogue.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?)", (name, card, now))


def tasks() -> dict[str, str]:
    """Return registered local tasks: name to card (JSON), the newest first."""
    with reading(None), _database() as catalogue:
        rows = catalogue.execute("SELECT name, card FROM tasks ORDER BY created DESC").fetchall()
    return {row["name"]: row["card"] for row in rows}
