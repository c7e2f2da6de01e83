"""Rows of json and jsonl files: an object per line, a list of objects, or columns."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sparsekd.errors import BadInput

Row = dict[str, Any]
BETWEEN = re.compile(r"[\s,]*")
ONE_OBJECT = "Write one JSON object per line."


@dataclass(frozen=True)
class Objects:
    """Objects of a file; `where` returns the place of each, `notes` say how they were read."""

    rows: list[Row]
    where: Callable[[int], str]
    notes: tuple[str, ...] = ()

    def keys(self) -> list[str]:
        """Return all keys, in the order in which they first occur."""
        found: dict[str, Any] = {}
        for row in self.rows:
            if not row.keys() <= found.keys():
                found |= row
        return list(found)

    def values(self, key: str) -> list[Any]:
        """Return the values of a key, None where an object lacks it."""
        return [row.get(key) for row in self.rows]

    def gaps(self) -> dict[str, str]:
        """Return the keys that some objects lack, each with the first place."""
        found: dict[str, str] = {}
        keys = dict.fromkeys(self.keys())
        for number, row in enumerate(self.rows):
            if len(row) < len(keys):
                for key in keys.keys() - row.keys() - found.keys():
                    found[key] = self.where(number)
        return found


def read_objects(text: str, name: str, lines: bool) -> Objects:
    """Return the objects of a file.

    Args:
        lines: Its name says that it has an object per line; a list of objects is read as well.

    Raises:
        BadInput: it has other values, or no JSON.
    """
    whole = _whole(text) if not lines or text.lstrip().startswith("[") else None
    if isinstance(whole, list) and whole and all(isinstance(each, dict) for each in whole):
        words = ("it is one JSON list, not an object per line",) if lines else ()
        return Objects(whole, lambda number: f"{name}, item {number + 1}", words)
    if isinstance(whole, dict) and not _is_row(whole):
        return _shaped(whole, name)
    if isinstance(whole, list) and not lines:
        odd = next((n for n, each in enumerate(whole, 1) if not isinstance(each, dict)), 0)
        what = f"item {odd} is not a JSON object" if odd else "the list is empty"
        raise BadInput(f"{name}: {what}.", "Write a list of objects, one for each example.")
    if not lines and isinstance(whole, ValueError) and not text.lstrip().startswith("{"):
        line = f", line {whole.lineno}" if isinstance(whole, json.JSONDecodeError) else ""
        raise BadInput(
            f"{name}{line} is not JSON: {whole}.", "Write a list of objects, or one per line."
        )
    try:
        rows = list(parsed(enumerate(text.split("\n"), start=1), name))
    except BadInput:
        over_lines = _one_by_one(text)
        if not over_lines:
            raise
        words = ("its objects stand over several lines, or have commas between them",)
        return Objects(over_lines, lambda number: f"{name}, item {number + 1}", words)
    words = () if lines or isinstance(whole, dict) else ("it has one JSON object per line",)
    places = [number for number, _ in rows]
    return Objects([row for _, row in rows], lambda n: f"{name}, line {places[n]}", words)


def parsed(lines: Iterator[tuple[int, str]], name: str) -> Iterator[tuple[int, Row]]:
    """Yield the number and the object of each line that is not empty.

    Raises:
        BadInput: a line that is no JSON object.
    """
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{name}, line {number} is not JSON: {error}.", ONE_OBJECT) from error
        if not isinstance(row, dict):
            raise BadInput(f"{name}, line {number} is not a JSON object.", ONE_OBJECT)
        yield number, row


def _one_by_one(text: str) -> list[Row]:
    """Return the objects of a text, with blanks and commas between them; none for another text."""
    decoder, found = json.JSONDecoder(), []
    place = _next(text, 0)
    while place < len(text):
        try:
            row, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return []
        if not isinstance(row, dict):
            return []
        found.append(row)
        place = _next(text, place)
    return found


def _next(text: str, place: int) -> int:
    """Return where the next value begins."""
    found = BETWEEN.match(text, place)
    return found.end() if found else place


def _whole(text: str) -> Any:
    """Return the value of a text, or the error where it is not one JSON value."""
    try:
        return json.loads(text)
    except ValueError as error:
        return error
    except RecursionError:
        return ValueError("its values are nested too deeply")


def _is_row(value: Row) -> bool:
    """Return whether an object is one example: it has a text and no list of objects."""
    return any(isinstance(each, str) for each in value.values()) and not any(
        isinstance(each, list) and each and isinstance(each[0], dict) for each in value.values()
    )


def _shaped(value: Row, name: str) -> Objects:
    """Return the rows of one object: columns, rows by number, or a list of objects under a key."""

    def item(number: int) -> str:
        return f"{name}, item {number + 1}"

    inner = list(value.values())
    lists = [key for key, each in value.items() if _holds(each, dict)]
    if len(lists) > 1:
        raise BadInput(
            f"{name} has several lists of objects: {', '.join(lists[:5])}.",
            "Write each into a file of its own.",
        )
    if lists:
        return Objects(value[lists[0]], item, (f"rows are the list {lists[0]!r}",))
    if {"columns", "data"} <= value.keys() and _holds(value["data"], list):
        names = [str(each) for each in value["columns"]]
        rows = [dict(zip(names, row, strict=False)) for row in value["data"]]
        return Objects(rows, item, ("it has names in 'columns' and rows in 'data'",))
    if inner and all(isinstance(each, dict) and each for each in inner):
        if all(key.isdecimal() for key in value):
            return Objects(inner, item, ("rows are numbered by its keys",))
        if all(each.keys() == inner[0].keys() for each in inner):
            return Objects(
                [{key: value[key][row] for key in value} for row in inner[0]],
                item,
                ("it has an object for each column",),
            )
    if inner and all(isinstance(each, list) and len(each) == len(inner[0]) for each in inner):
        return Objects(
            [dict(zip(value, row, strict=True)) for row in zip(*inner, strict=True)],
            item,
            ("it has a list for each column",),
        )
    raise BadInput(
        f"{name} is one JSON object with the keys {', '.join(list(value)[:5])}, not examples.",
        "Write a list of objects, one for each example, or one object per line.",
    )


def _holds(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(e, kind) for e in value)
