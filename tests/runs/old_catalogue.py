"""A catalogue as format 2 wrote it: its tables, recipes and ids."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

TABLES = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, recipe TEXT NOT NULL, state TEXT NOT NULL, device TEXT NOT NULL,
    place REAL NOT NULL, pid INTEGER, created REAL NOT NULL, started REAL, finished REAL,
    seconds REAL NOT NULL DEFAULT 0, cancel INTEGER NOT NULL DEFAULT 0,
    progress TEXT NOT NULL DEFAULT '{}', outcome TEXT NOT NULL DEFAULT '{}',
    retries INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE events (
    run TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL, value REAL,
    PRIMARY KEY (run, name, step)
) WITHOUT ROWID;
CREATE TABLE plans (id TEXT PRIMARY KEY, plan TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE tasks (name TEXT PRIMARY KEY, card TEXT NOT NULL, created REAL NOT NULL);
"""


def recipe(
    stage: str, method: str, inputs: dict[str, str], params: dict[str, Any], seed: int = 0
) -> dict[str, Any]:
    """Return a recipe in the six fields of format 2."""
    named = {"stage": stage, "task": "demo/sentiment", "method": method}
    return named | {"inputs": inputs, "params": params, "seed": seed}


def text_of(recipe: dict[str, Any]) -> str:
    """Return the text that format 2 stored and hashed."""
    return json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def id_of(recipe: dict[str, Any]) -> str:
    """Return the id of a recipe."""
    return hashlib.sha256(text_of(recipe).encode()).hexdigest()[:12]


def plan_id(steps: list[tuple[str, dict[str, Any]]]) -> str:
    """Return the id of a plan."""
    text = json.dumps([(role, id_of(recipe)) for role, recipe in steps])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def write(
    home: Path,
    recipes: list[dict[str, Any]],
    steps: list[tuple[str, dict[str, Any]]],
    command: str = "",
    version: int = 2,
) -> None:
    """Write finished runs with an event and a file each, and one trade-off study of them."""
    with sqlite3.connect(home / "catalog.sqlite") as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(TABLES)
        for number, one in enumerate(recipes):
            name = id_of(one)
            outcome = json.dumps({"metrics": {"selection": {"accuracy": number / 100}}})
            database.execute(
                "INSERT INTO runs (id, recipe, state, device, place, created, outcome) "
                "VALUES (?, ?, 'done', 'cpu', ?, ?, ?)",
                (name, text_of(one), number, number, outcome),
            )
            database.execute("INSERT INTO events VALUES (?, 1, 'loss/hard', ?)", (name, number))
            (home / "runs" / name).mkdir(parents=True)
            (home / "runs" / name / "file.txt").write_text(str(number))
        plan = {
            "title": "a study",
            "task": "demo/sentiment",
            "kind": "sweep",
            "command": command,
            "steps": [{"role": role, "recipe": one} for role, one in steps],
        }
        text = json.dumps(plan, sort_keys=True, ensure_ascii=False)
        database.execute("INSERT INTO plans VALUES (?, ?, 1)", (plan_id(steps), text))
        if version == 1:
            for column in ("retries", "failures"):
                database.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        database.execute(f"PRAGMA user_version={version}")
    database.close()
