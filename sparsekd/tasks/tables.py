"""Tables of a local task: the rows of parquet, csv, tsv, jsonl and json files, as plain values."""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sparsekd.errors import BadInput, Unavailable
from sparsekd.tasks import files, objects, separated

HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
HALF = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair, such as half an emoji, which no file can hold."""


BEGINNINGS = {
    b"version https://git-lfs": ("a pointer of Git LFS", "Download the file itself: git lfs pull."),
    b"<!doctype": ("a web page", "Download the file itself."),
    b"<html": ("a web page", "Download the file itself."),
    b"pk\x03\x04": ("a zip archive or a workbook", "Unpack it, or export it as csv."),
    b"\x1f\x8b": ("packed by gzip", "Add .gz to its name."),
    b"par1": ("parquet", "Name it .parquet."),
}
"""How files of other formats begin, in lower case: what they are, and what to do."""


@dataclass(frozen=True)
class Table:
    """The rows of a split.

    `notes` say how its files were read where their names do not say it; `gaps` are the columns that
    some JSON objects lack, each with the first place.
    """

    rows: pd.DataFrame
    notes: tuple[str, ...] = ()
    gaps: Mapping[str, str] = field(default_factory=dict)


def read_table(paths: list[Path]) -> Table:
    """Read one split's rows from its file or shards; csv and tsv values stay text.

    Raises:
        BadInput: empty, not UTF-8, ragged or not parseable.
        Unavailable: not readable.
    """
    parts = [_read(path) for path in paths]
    columns = dict.fromkeys(name for part in parts for name in part.rows.columns)
    gaps: dict[str, str] = {}
    for part, path in zip(parts, paths, strict=True):
        lacking = [name for name in columns if name not in part.rows.columns]
        if lacking and files.kind_of(path) not in ("json", "jsonl"):
            raise BadInput(
                f"{path.name} has other columns than {paths[0].name}.",
                "Give all shards the same columns.",
            )
        gaps = dict.fromkeys(lacking, path.name) | dict(part.gaps) | gaps
    whole = pd.concat([part.rows for part in parts], ignore_index=True)
    if whole.empty:
        raise BadInput(f"{paths[0].name} has no rows.", "Use a file with examples.")
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return Table(whole, tuple(notes), gaps)


def plain_frame(table: pa.Table) -> pd.DataFrame:
    """Return a table of parquet as a frame with plain values in place of categories."""
    for place, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            plain = table.column(place).cast(column.type.value_type)
            table = table.set_column(place, column.name, plain)
    return table.replace_schema_metadata(None).to_pandas()


def check_names(file: str, names: Iterable[Any]) -> list[str]:
    """Return names of columns as texts without blanks around them.

    Raises:
        BadInput: two are equal.
    """
    found = [plain_name(name) for name in names]
    twice = sorted(name for name, count in Counter(found).items() if count > 1)
    if twice:
        raise BadInput(f"{file} has two columns named {twice[0]!r}.", "Rename one of them.")
    return found


def plain_name(name: Any) -> str:
    """Return the name of a column as a text without blanks around it."""
    return whole_signs(str(name)).strip()


def whole_signs(text: str) -> str:
    """Return a text with U+FFFD in place of each half of a surrogate pair."""
    return HALF.sub("\N{REPLACEMENT CHARACTER}", text)


def _read(path: Path) -> Table:
    kind = files.kind_of(path)
    try:
        data = _content(path)
        if not data.strip():
            raise BadInput(f"{path.name} is empty.", "Use a file with examples.")
        _check_beginning(path, data, kind)
        if kind == "parquet":
            return _parquet(path)
        text, notes = _decoded(path, data)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be read: {error}.", "Check the file's permissions."
        ) from error
    if not text.strip():
        raise BadInput(f"{path.name} is empty.", "Use a file with examples.")
    read = _separated if kind in ("csv", "tsv") else _objects
    table = read(path, text, kind)
    return Table(table.rows, (*notes, *table.notes), table.gaps)


def _check_beginning(path: Path, data: bytes, kind: str) -> None:
    """Refuse files that begin as those of another format do."""
    if kind in ("csv", "tsv") and data.lstrip()[:1] in (b"[", b"{"):
        begins = data.lstrip()[:200].decode("utf-8", "replace")
        if re.match(r'(\[\s*)?\{\s*"[^"]*"\s*:', begins):
            raise BadInput(f"{path.name} holds JSON.", "Name it .json, or .jsonl.")
    begins = data[:64].lstrip().lower()
    for beginning, (what, hint) in BEGINNINGS.items():
        if what != kind and begins.startswith(beginning):
            raise BadInput(f"{path.name} is {what}, not {kind}.", hint)


def _content(path: Path) -> bytes:
    """Return a file's bytes, unpacked."""
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            data = file.read(files.MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(
            f"{path.name} is not a whole gzip file: {error}.", "Pack it again."
        ) from error
    if len(data) > files.MAX_BYTES:
        raise BadInput(
            f"{path.name} has more than {files.MAX_BYTES >> 20:,} MiB unpacked.",
            "Use a sample of the rows.",
        )
    return data


def _decoded(path: Path, data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, with newlines alone as the ends of its lines."""
    wide = _wide(data)
    try:
        text = data.decode(wide or "utf-8-sig")
    except UnicodeDecodeError as error:
        if wide:
            raise BadInput(
                f"{path.name} is not UTF-16: {error.reason}.", "Save it as UTF-8."
            ) from error
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(
            f"{path.name} is not UTF-8: byte {error.start}, in line {line}, cannot be read.",
            "Save it with the encoding UTF-8 (in Excel: CSV UTF-8).",
        ) from error
    text = text.replace("\r\n", "\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    return text, ("it is in UTF-16",) * bool(wide)


def _wide(data: bytes) -> str:
    """Return the encoding of a text in UTF-16, with its mark or by the zeros in Latin letters."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = data[:64:2], data[1:64:2]
    if len(odd) > 1 and not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if len(odd) > 1 and not any(even) and all(odd) else ""


def _parquet(path: Path) -> Table:
    try:
        frame = plain_frame(pq.read_table(path))
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{path.name} is not a parquet file: {reason}", "Write it again.") from error
    return Table(_named(path, frame))


def _separated(path: Path, text: str, kind: str) -> Table:
    def lines() -> Any:
        return separated.lines_of(text)

    layout = separated.find_layout(lines, "tsv" if kind == "tsv" else "csv", path.name)
    rows = list(separated.read_rows(lines(), layout, path.name))
    header = rows.pop(0).fields if rows else []
    joined = separated.joined_row(rows, layout)
    notes = layout.notes
    if joined:
        notes += (
            f"lines {joined.first} to {joined.last} are one row by the quotation mark in line "
            f"{joined.first}, which may not be closed",
        )
    frame = pd.DataFrame([row.fields for row in rows], columns=header, dtype=object)
    empty = [n for n, name in enumerate(header) if not name and not frame.iloc[:, n].any()]
    if empty:
        frame = frame.iloc[:, [n for n in range(len(header)) if n not in empty]]
    return Table(_named(path, frame), notes)


def _objects(path: Path, text: str, kind: str) -> Table:
    found = objects.read_objects(text, path.name, kind == "jsonl")
    keys, gaps = found.keys(), found.gaps()
    names = dict(zip(keys, check_names(path.name, keys), strict=True))
    frame = pd.DataFrame({names[key]: found.values(key) for key in keys}, dtype=object)
    notes = found.notes
    if HALF_ESCAPED.search(text):
        frame, mended = _without_halves(frame)
        sign = "\N{REPLACEMENT CHARACTER}"
        notes += (f"half an emoji or other sign in {mended:,} rows is read as {sign}",) * (
            mended > 0
        )
    return Table(frame, notes, {names[key]: place for key, place in gaps.items()})


def _named(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with texts as names of its columns, without blanks around them."""
    return frame.set_axis(check_names(path.name, frame.columns), axis=1)


def _without_halves(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return a frame whose texts have U+FFFD for half a surrogate pair, and how many rows had."""
    broken = pd.Series(False, index=frame.index)
    for name in frame:
        if frame[name].dtype == object:
            halves = frame[name].map(_has_half)
            if halves.any():
                frame[name] = frame[name].where(~halves, frame[name].map(_mended))
                broken |= halves
    return frame, int(broken.sum())


def _has_half(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_half, value))
    return isinstance(value, str) and HALF.search(value) is not None


def _mended(value: Any) -> Any:
    if isinstance(value, list):
        return [_mended(each) for each in value]
    return whole_signs(value) if isinstance(value, str) else value
