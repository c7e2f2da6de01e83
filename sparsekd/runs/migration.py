"""Bring a catalogue of an earlier format up to date.

Format 1 has no columns for retries. Format 2 keeps the attempt and the repeat in the seed of a
recipe, and the kind of mask, export or attribution as its method. In format 3 the recipes, and
with them the ids of runs and plans, are those of format 4, but some folders still have old names.

The catalogue goes from 1 or 2 to 3 in one transaction. The folders are then renamed one by one,
which can be repeated, before it becomes 4. A crash leaves one of these formats, and the next
opening goes on from there. This module has its own copy of what an id is: a later change of
`Recipe` must not change what format 4 was.
"""

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sparsekd.errors import Unavailable
from sparsekd.runs.schema import CATALOGUE, QUEUE_LOCK, RUN_LOCK, TABLES
from sparsekd.system.files import atomic_write, disk_error
from sparsekd.system.locks import is_locked

RENAMED, DONE = 3, 4  # formats
PATIENCE = 120.0  # seconds in which another process may finish the migration
AT_WORK = 2.0  # seconds in which a reader of the queue's lock lets it go
STRIDE = 1000  # between the seeds of two attempts, up to format 2
ID = re.compile(r"\b[0-9a-f]{12}\b")

Raw = dict[str, Any]


def migrate(connection: sqlite3.Connection, home: Path) -> None:
    """Bring the catalogue of a folder to format 4; one process does it, others wait.

    Raises:
        Unavailable: runs are at work, which an earlier version started, or the disk is full.
    """
    try:
        with FileLock(home / "migration.lock", timeout=PATIENCE):
            if version(connection) < DONE:
                with _idle(home):
                    _migrate(connection, home)
    except Timeout as error:
        raise Unavailable(
            f"{home} is being brought up to date by another process.", "Try again in a minute."
        ) from error
    except OSError as error:
        raise disk_error(home, error) from error


def version(connection: sqlite3.Connection) -> int:
    """Return the format of the catalogue; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _idle(home: Path) -> Iterator[None]:
    """Keep a queue process from starting; refuse where a run is at work.

    Raises:
        Unavailable: with the runs.
    """
    refusal = f"{home} was written by an earlier SparseKD, and must be brought up to date."
    hint = "Wait until they end, or stop them, then try again."
    try:
        with FileLock(home / QUEUE_LOCK, timeout=AT_WORK):
            busy = [p.parent.name for p in home.glob(f"runs/*/{RUN_LOCK}") if is_locked(p)]
            if busy:
                raise Unavailable(f"{refusal} These runs are at work: {', '.join(busy)}.", hint)
            yield
    except Timeout as error:
        raise Unavailable(f"{refusal} Its queue is at work.", hint) from error


def _migrate(connection: sqlite3.Connection, home: Path) -> None:
    found = version(connection)
    if found < RENAMED:
        _copy(connection, home / f"{Path(CATALOGUE).stem}.format-{found}.sqlite")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in TABLES.split(";"):  # executescript would commit
                connection.execute(statement)
            _add_columns(connection)
            _rewrite(connection)
            connection.execute(f"PRAGMA user_version={RENAMED}")
    _move_folders(home / "runs", connection.execute("SELECT id, now FROM renamed").fetchall())
    connection.execute(f"PRAGMA user_version={DONE}")


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    """Keep the catalogue as it is under another name."""

    def write(beside: Path) -> None:
        with closing(sqlite3.connect(beside)) as copy:
            connection.backup(copy)

    atomic_write(path, write)


def _add_columns(connection: sqlite3.Connection) -> None:
    """Add what format 1 has not."""
    known = {row["name"] for row in connection.execute("PRAGMA table_info(runs)")}
    for name in {"retries", "failures"} - known:
        connection.execute(f"ALTER TABLE runs ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0")


def _move_folders(folder: Path, renamed: Iterable[tuple[str, str]]) -> None:
    """Give run folders the new ids, and see that the disk has them."""
    for old, new in renamed:
        if (folder / old).is_dir() and not (folder / new).exists():
            _move(folder / old, folder / new)
    if folder.is_dir():
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _move(old: Path, new: Path) -> None:
    old.rename(new)


# --- recipes and ids -------------------------------------------------------------------------


def _rewrite(connection: sqlite3.Connection) -> None:
    """Write recipes in the new fields, and new ids wherever an id is named."""
    runs = connection.execute("SELECT id, recipe, outcome FROM runs").fetchall()
    plans = {
        row["id"]: json.loads(row["plan"])
        for row in connection.execute("SELECT id, plan FROM plans")
    }
    new = _Recipes({row["id"]: json.loads(row["recipe"]) for row in runs}, plans.values())
    for row in runs:
        run = new.id(row["id"])
        texts = canonical(new.recipe(row["id"])), new.renamed(row["outcome"])
        connection.execute(
            "UPDATE runs SET id = ?, recipe = ?, outcome = ? WHERE id = ?", (run, *texts, row["id"])
        )
        if run != row["id"]:
            connection.execute("UPDATE events SET run = ? WHERE run = ?", (run, row["id"]))
    for old, plan in plans.items():
        rewritten = new.plan(plan)
        name = plan_id(rewritten)
        text = json.dumps(rewritten, sort_keys=True, ensure_ascii=False)
        connection.execute("UPDATE plans SET id = ?, plan = ? WHERE id = ?", (name, text, old))
        new.ids[old] = name
    pairs = [(old, name) for old, name in new.ids.items() if old != name]
    connection.executemany("INSERT OR REPLACE INTO renamed VALUES (?, ?)", pairs)


class _Recipes:
    """The recipes of a catalogue and of its plans, as they are in format 4."""

    def __init__(self, runs: dict[str, Raw], plans: Iterable[Raw]) -> None:
        steps = [(run_id(s["recipe"]), s) for plan in plans for s in plan["steps"]]
        self.old = {name: step["recipe"] for name, step in steps} | runs
        self.further = {name for name, step in steps if step["role"] == "dense_try"}
        self.new: dict[str, Raw] = {}
        self.ids: dict[str, str] = {}

    def id(self, old: str) -> str:
        """Return the new id of a run; one that is not known here keeps its own."""
        if old not in self.ids and old in self.old:
            self.ids[old] = run_id(self.recipe(old))
        return self.ids.get(old, old)

    def recipe(self, old: str) -> Raw:
        """Return the recipe of a run in the new fields, and with the new ids of its inputs."""
        if old not in self.new:
            fields = _fields(self.old[old], further=old in self.further)
            self.new[old] = json.loads(self.renamed(json.dumps(fields)))
        return self.new[old]

    def renamed(self, text: str) -> str:
        """Return a text that names runs by their new ids."""
        return ID.sub(lambda match: self.id(match[0]), text)

    def plan(self, old: Raw) -> Raw:
        """Return a plan with the new recipes, and a command with the new ids."""
        steps = [s | {"recipe": self.recipe(run_id(s["recipe"]))} for s in old["steps"]]
        return old | {"steps": steps, "command": self.renamed(old.get("command", ""))}


def _fields(recipe: Raw, further: bool) -> Raw:
    """Move what format 2 keeps in `seed` and `method` to fields of its own.

    The seed of a further attempt is moved only where a trade-off study asked for it: elsewhere
    a seed of 1000 or more is one.
    """
    seed, method = recipe["seed"], recipe["method"]
    if recipe["stage"] in ("prune", "export", "attribute"):
        return recipe | {"method": "", "variant": method}
    if recipe["stage"] == "measure":
        return recipe | {"seed": 0, "repeat": seed}
    if further:
        return recipe | {"seed": seed % STRIDE, "attempt": seed // STRIDE}
    return recipe


def canonical(recipe: Raw) -> str:
    """Return the text of a recipe that is hashed; fields since format 3 only where they are set."""
    later = ("attempt", "repeat", "variant")
    written = {name: value for name, value in recipe.items() if value or name not in later}
    return json.dumps(written, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def run_id(recipe: Raw) -> str:
    """Return the id of a recipe, of format 2 or of format 4."""
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()[:12]


def plan_id(plan: Raw) -> str:
    """Return the id of a plan."""
    text = json.dumps([(step["role"], run_id(step["recipe"])) for step in plan["steps"]])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
