"""The tables of the catalogue, and the names of the files beside it."""

CATALOGUE = "catalog.sqlite"
QUEUE_LOCK = "queue.lock"  # held by the one queue process
RUN_LOCK = "lock"  # in a run's folder: held by its worker
VERSION = 4
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
CREATE TABLE IF NOT EXISTS renamed (id TEXT PRIMARY KEY, now TEXT NOT NULL);
"""
"""`renamed` has the ids that runs and plans had under an earlier format."""
