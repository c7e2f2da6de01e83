"""Rows of a file in chunks, so that a file of any size is read in bounded memory."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sparsekd.errors import BadInput, NotFound
from sparsekd.system.files import disk_error
from sparsekd.tasks import objects, separated
from sparsekd.tasks.files import KINDS
from sparsekd.tasks.tables import check_names, plain_frame, plain_name, whole_signs

ROWS = 8192  # of a chunk at most
CHARACTERS = 1 << 24  # of a chunk, its last row apart
_SLICE = 512  # rows of a parquet file that are decoded at once
_BUFFER = 1 << 20


@dataclass(frozen=True)
class RowChunks:
    """The rows of a file or a stream, read once, in their order.

    `name` describes the file in errors, `total` is the number of rows where it is known,
    `share()` the share of the file that was read, None for a stream. `read(columns)` yields frames
    of these columns.
    """

    name: str
    columns: tuple[str, ...]
    total: int | None
    share: Callable[[], float | None]
    read: Callable[[Sequence[str]], Iterator[pd.DataFrame]]


@contextmanager
def open_file(path: Path) -> Iterator[RowChunks]:
    """Open a parquet, csv, tsv or jsonl file.

    Raises:
        NotFound: no such file; BadInput: another format, or not readable as what it is;
        Unavailable: it may not be read.
    """
    kind = path.suffix.lower().removeprefix(".")
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", f"Name a {_or(KINDS)} file.")
    if kind not in KINDS:
        raise BadInput(f"{path.name} is not {_or(KINDS)}.", "Convert it, or correct its name.")
    if path.stat().st_size == 0:
        raise BadInput(f"{path.name} is empty.", "Use a file with rows.")
    try:
        raw = path.open("rb")
    except OSError as error:
        raise disk_error(path, error) from error
    with raw:
        yield _parquet(path, raw) if kind == "parquet" else _text(path, raw, kind)


def open_stream(stream: IO[bytes]) -> RowChunks:
    """Return the rows of a stream: a text per line, or a JSON object where the first line is one.

    Raises:
        BadInput: no line at all.
    """
    lines = _decoded(io.TextIOWrapper(stream, encoding="utf-8-sig"), "Standard input")
    first = next(lines, None)
    if first is None:
        raise BadInput("Standard input is empty.", "Write one text per line, or one JSON object.")
    lines = chain([first], lines)
    if _is_object(first):
        return _objects("Standard input", lines, lambda: None)
    texts = ({"text": whole_signs(line.rstrip("\r\n"))} for line in lines)
    return _rows("Standard input", ("text",), texts, lambda: None)


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


# --- parquet ---------------------------------------------------------------------------------


def _parquet(path: Path, raw: IO[bytes]) -> RowChunks:
    try:
        file = pq.ParquetFile(raw, buffer_size=_BUFFER, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    total = file.metadata.num_rows
    if not total:
        raise BadInput(f"{path.name} has no rows.", "Use a file with rows.")
    done = 0

    def read(columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        nonlocal done
        parts: list[pa.RecordBatch] = []
        try:
            for part in file.iter_batches(_SLICE, columns=list(columns)):
                parts.append(part)
                done += len(part)
                full = sum(map(len, parts)) >= ROWS or sum(p.nbytes for p in parts) >= CHARACTERS
                if full or done == total:
                    yield plain_frame(pa.Table.from_batches(parts))
                    parts.clear()
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error

    names = tuple(str(name) for name in file.schema_arrow.names)
    return RowChunks(path.name, names, total, lambda: done / total, read)


def _damaged(path: Path, error: Exception) -> BadInput:
    reason = str(error).splitlines()[0]
    return BadInput(f"{path.name} is not a parquet file: {reason}", "Write it again.")


# --- text files ------------------------------------------------------------------------------


def _text(path: Path, raw: IO[bytes], kind: str) -> RowChunks:
    size = path.stat().st_size
    # Line ends are kept as they are: a text may contain them.
    ends = _line_ends(raw)
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline=ends)
    lines = _decoded(text, path.name)

    def share() -> float:
        return min(1.0, text.buffer.tell() / size)

    def again() -> Iterator[str]:
        with path.open(encoding="utf-8-sig", newline=ends) as fresh:
            yield from _decoded(fresh, path.name)

    if kind == "jsonl":
        return _objects(path.name, lines, share)
    layout = separated.find_layout(again, "tsv" if kind == "tsv" else "csv", path.name)
    return _separated(path.name, lines, layout, share)


def _line_ends(raw: IO[bytes]) -> str:
    """Return what ends lines: newlines alone, where the first ones do; anything otherwise."""
    ends = "\n" if b"\n" in raw.read(_BUFFER) else ""
    raw.seek(0)
    return ends


def _decoded(lines: Iterable[str], name: str) -> Iterator[str]:
    number = 0
    try:
        for line in lines:
            number += 1
            yield line
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{name} is not UTF-8 after line {number}.", "Save it with the encoding UTF-8."
        ) from error


def _separated(
    name: str, lines: Iterator[str], layout: separated.Layout, share: Callable[[], float | None]
) -> RowChunks:
    """Parse csv and tsv as the files of a task are parsed."""
    found = separated.read_rows(lines, layout, name)
    header = next(found, None)
    if header is None:
        raise BadInput(f"{name} is empty.", "Use a file with rows.")
    names = check_names(name, header.fields)
    rows = (dict(zip(names, row.fields, strict=True)) for row in found)
    return _rows(name, tuple(names), rows, share)


def _objects(name: str, lines: Iterable[str], share: Callable[[], float | None]) -> RowChunks:
    parsed = objects.parsed(enumerate(lines, start=1), name)
    rows = ({plain_name(key): _mended(value) for key, value in row.items()} for _, row in parsed)
    first = next(rows, None)
    if first is None:
        raise BadInput(f"{name} is empty.", "Use a file with rows.")
    return _rows(name, tuple(first), chain([first], rows), share)


def _mended(value: Any) -> Any:
    return whole_signs(value) if isinstance(value, str) else value


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _rows(
    name: str,
    columns: tuple[str, ...],
    rows: Iterable[dict[str, Any]],
    share: Callable[[], float | None],
) -> RowChunks:
    def read(wanted: Sequence[str]) -> Iterator[pd.DataFrame]:
        part: list[list[Any]] = []
        size = 0
        for number, row in enumerate(rows, start=1):
            missing = [column for column in wanted if column not in row]
            if missing:
                raise BadInput(
                    f"{name}, row {number} has no {missing[0]!r}.", "Give each row the same keys."
                )
            values = [row[column] for column in wanted]
            part.append(values)
            size += sum(len(value) for value in values if isinstance(value, str))
            if len(part) >= ROWS or size >= CHARACTERS:
                yield pd.DataFrame(part, columns=list(wanted), dtype=object)
                part, size = [], 0
        if part:
            yield pd.DataFrame(part, columns=list(wanted), dtype=object)

    return RowChunks(name, columns, None, share, read)
