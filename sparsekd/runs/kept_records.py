"""What each folder keeps of its own run, so that a lost catalogue loses no run.

`record.json` in the folder of a run that has begun has its row of the catalogue, and from its end
on what it logged; the
folders `plans` and `tasks` of a store keep the studies and the cards of local tasks.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sparsekd.errors import BadInput
from sparsekd.runs.records import Event, Outcome, Recipe, State
from sparsekd.system.files import atomic_write

RECORD = "record.json"
PLANS, TASKS = "plans", "tasks"


class RunRecord(BaseModel):
    """The row of a run that has begun, and every number that it logged."""

    model_config = ConfigDict(extra="forbid")
    recipe: dict[str, Any]
    state: State
    device: str
    created: float
    started: float | None
    finished: float | None
    seconds: float
    outcome: dict[str, Any]
    events: list[tuple[int, str, float | None]]


def write(folder: Path, row: Mapping[str, Any], events: Iterable[Event]) -> None:
    """Write a run's record into its folder.

    Args:
        row: The run's row of the catalogue; see `schema.TABLES`.

    Raises:
        Unavailable: the disk is full or read-only.
    """
    record = RunRecord(
        recipe=json.loads(row["recipe"]),
        state=row["state"],
        device=row["device"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        seconds=row["seconds"],
        outcome=json.loads(row["outcome"]),
        events=[(event.step, event.name, event.value) for event in events],
    )
    _write(folder / RECORD, record.model_dump_json())


def read(folder: Path) -> RunRecord:
    """Read the record of a run's folder.

    Raises:
        BadInput: it is missing, damaged, or that of another run.
    """
    path = folder / RECORD
    try:
        found = RunRecord.model_validate_json(path.read_bytes())
        name = Recipe(**found.recipe).run_id
        Outcome(**found.outcome)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    except (ValidationError, TypeError, UnicodeEncodeError) as error:
        raise BadInput(f"{path} is damaged.", "Run this one again.") from error
    if name != folder.name:
        raise BadInput(f"{path} is that of run {name}.", "Rename the folder after it.")
    return found


def keep(home: Path, kind: str, name: str, text: str, created: float) -> None:
    """Keep a plan or a task's card (JSON) beside the catalogue.

    Raises:
        Unavailable: the disk is full or read-only.
    """
    values = {"name": name, "created": created, "value": json.loads(text)}
    _write(home / kind / f"{name.replace('/', '+')}.json", json.dumps(values))


def kept(home: Path, kind: str) -> Iterator[tuple[str, str, float]]:
    """Yield name, text (JSON) and time of the plans or tasks that are kept.

    Raises:
        BadInput: one of the files is damaged.
    """
    for path in sorted((home / kind).glob("*.json")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            text = as_json(values["value"])
            yield str(values["name"]), text, float(values["created"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadInput(f"{path} is damaged.", "Move it away.") from error


def as_json(value: Any) -> str:
    """Return plain values as the catalogue writes them."""
    return json.dumps(value, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    atomic_write(path, lambda beside: beside.write_text(text, encoding="utf-8"))
