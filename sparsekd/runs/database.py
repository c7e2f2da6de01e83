"""Transactions on the catalogue's database, which is brought up to date before the first."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparsekd.errors import Unavailable
from sparsekd.runs import migration
from sparsekd.runs.schema import CATALOGUE, TABLES, VERSION
from sparsekd.system.files import disk_error


@contextmanager
def database(home: Path) -> Iterator[sqlite3.Connection]:
    """Open one short transaction on the catalogue in a folder; it is made where there is none.

    Raises:
        Unavailable: the folder cannot be written, the database is in use for long, or is newer.
    """
    path = home / CATALOGUE
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)  # the owner's alone
        connection = sqlite3.connect(path, timeout=20.0)
    except OSError as error:
        raise disk_error(home, error) from error
    except sqlite3.Error as error:
        raise _error(path, error) from error
    try:
        connection.row_factory = sqlite3.Row
        _prepare(connection, path)
        with connection:
            yield connection
    except sqlite3.Error as error:
        raise _error(path, error) from error
    finally:
        connection.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new catalogue, and bring one of an earlier format up to date."""
    version = migration.version(connection)
    if version > VERSION:
        raise Unavailable(
            f"{path} was written by a newer SparseKD (format {version}, this one reads {VERSION}).",
            "Update SparseKD, or name another folder with SPARSEKD_HOME.",
        )
    if version == 0:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(TABLES)
        connection.execute(f"PRAGMA user_version={VERSION}")
    elif version < VERSION:
        migration.migrate(connection, path.parent)
    connection.execute("PRAGMA synchronous=NORMAL")


def _error(path: Path, error: sqlite3.Error) -> Unavailable:
    text = str(error)
    if "locked" in text:
        hint = "Another program holds it; close that program and try again."
    elif "full" in text or "readonly" in text or "unable to open" in text or "disk" in text:
        hint = "Free some space, check the folder's rights, or name another with SPARSEKD_HOME."
    else:
        hint = "python -m sparsekd runs recover rebuilds it from the run folders."
    return Unavailable(f"The catalogue {path} cannot be used: {text}.", hint)
