"""The catalogue's database: its format, and one short transaction at a time."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparsekd.errors import Unavailable
from sparsekd.system.files import disk_trouble

VERSION = 2
TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, recipe TEXT NOT NULL, state TEXT NOT NULL, device TEXT NOT NULL,
    place REAL NOT NULL, pid INTEGER, created REAL NOT NULL, started REAL, finished REAL,
    seconds REAL NOT NULL DEFAULT 0, cancel INTEGER NOT NULL DEFAULT 0,
    progress TEXT NOT NULL DEFAULT '{}', outcome TEXT NOT NULL DEFAULT '{}',
    retries INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS events (
    run TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL, value REAL,
    PRIMARY KEY (run, name, step)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plans (id TEXT PRIMARY KEY, plan TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (name TEXT PRIMARY KEY, card TEXT NOT NULL, created REAL NOT NULL);
"""
SINCE_VERSION_1 = ("retries", "failures")


@contextmanager
def database(home: Path) -> Iterator[sqlite3.Connection]:
    """One short transaction on the catalogue in a folder, which is made where there is none.

    Raises:
        Unavailable: the folder cannot be written, the database is in use for long, or is newer.
    """
    path = home / "catalog.sqlite"
    try:
        home.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=20.0)
    except OSError as error:
        raise disk_trouble(home, error) from error
    except sqlite3.Error as error:
        raise _trouble(path, error) from error
    try:
        connection.row_factory = sqlite3.Row
        _prepare(connection, path)
        with connection:
            yield connection
    except sqlite3.Error as error:
        raise _trouble(path, error) from error
    finally:
        connection.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise Unavailable(
            f"{path} was written by a newer SparseKD (format {version}, this one reads {VERSION}).",
            "Update SparseKD, or name another folder with SPARSEKD_HOME.",
        )
    if version < VERSION:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(TABLES)
        _add_columns(connection)
        connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("PRAGMA synchronous=NORMAL")


def _add_columns(connection: sqlite3.Connection) -> None:
    """Bring a catalogue of version 1 up to date; two processes may do so at once."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        known = {row["name"] for row in connection.execute("PRAGMA table_info(runs)")}
        for name in SINCE_VERSION_1:
            if name not in known:
                words = f"ALTER TABLE runs ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0"
                connection.execute(words)


def _trouble(path: Path, error: sqlite3.Error) -> Unavailable:
    text = str(error)
    if "locked" in text:
        hint = "Another program holds it; close that program and try again."
    elif "full" in text or "readonly" in text or "unable to open" in text or "disk" in text:
        hint = "Free some space, check the folder's rights, or name another with SPARSEKD_HOME."
    else:
        hint = "Move the file away to begin anew; the run folders stay where they are."
    return Unavailable(f"The catalogue {path} cannot be used: {text}.", hint)
