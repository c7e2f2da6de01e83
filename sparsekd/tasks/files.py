"""Files of a local task: parquet, csv, tsv or jsonl."""

import csv
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from sparsekd.errors import BadInput, NotFound, Unavailable

KINDS = ("parquet", "csv", "tsv", "jsonl")
MAX_BYTES = 1 << 30
FIELD_LIMIT = 1 << 24
NAME = re.compile(
    rf"(train|validation|dev|val|unlabell?ed)(?:_(\w+))?(?:-[\w-]+)?\.({'|'.join(KINDS)})",
    re.IGNORECASE,
)
WANTED = (
    "A task needs files train and validation (or dev, or val), each as "
    f"{', '.join(KINDS[:-1])} or {KINDS[-1]}; a file unlabelled is optional."
)


def find(folder: Path) -> dict[str, list[Path]]:
    """Find each split's files: train.csv, train-00000-of-00002.parquet, validation_matched.tsv ….

    Unlabelled texts are files of their own: unlabelled.csv, unlabeled.parquet.

    Raises:
        NotFound: no such folder, or a missing split.
        BadInput: two candidates for one split.
    """
    splits: dict[str, list[Path]] = {}
    for path in _listed(folder):
        match = NAME.fullmatch(path.name)
        if match:
            splits.setdefault(_split(match), []).append(path)
    for name, paths in splits.items():
        # Several files are shards only if the rest of their names agrees.
        if len({(path.name.split("-")[0].split(".")[0], path.suffix) for path in paths}) > 1:
            found = ", ".join(path.name for path in paths)
            raise BadInput(f"{folder} has several files for {name}: {found}.", "Keep one of them.")
    if "train" not in splits or not validation_splits(splits):
        missing = "train" if "train" not in splits else "validation"
        raise NotFound(f"{folder} has no {missing} file.", WANTED)
    return splits


def validation_splits(splits: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the validation splits, sorted."""
    return tuple(sorted(name for name in splits if name not in ("train", "unlabelled")))


def _split(match: re.Match[str]) -> str:
    name = match[1].lower()
    if name.startswith("unlabel"):
        return "unlabelled"
    stem = "train" if name == "train" else "validation"
    return f"{stem}_{match[2]}" if match[2] else stem


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except FileNotFoundError as error:
        raise NotFound(f"There is no folder {folder}.", WANTED) from error
    except NotADirectoryError as error:
        raise BadInput(
            f"{folder} is a file, not a folder.", f"Name its folder. {WANTED}"
        ) from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"{folder} cannot be read: {error}.", "Check its permissions.") from error


def fingerprint(splits: dict[str, list[Path]]) -> str:
    """Return a hash of the files' contents, whatever their folder and dates.

    Raises:
        BadInput: the files are larger than `MAX_BYTES` in all.
        Unavailable: they cannot be read.
    """
    try:
        size = sum(path.stat().st_size for paths in splits.values() for path in paths)
        if size > MAX_BYTES:
            raise BadInput(
                f"The files are {size >> 20:,} MiB; the limit is {MAX_BYTES >> 20:,} MiB.",
                "Use a sample of the rows.",
            )
        return _digest(splits)
    except OSError as error:
        raise Unavailable(
            f"The files cannot be read: {error}.", "Check their permissions."
        ) from error


def _digest(splits: dict[str, list[Path]]) -> str:
    whole = hashlib.sha256()
    for name in sorted(splits):
        for path in splits[name]:
            with path.open("rb") as file:
                whole.update(f"{name}{path.suffix}".encode())
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def read_table(paths: list[Path]) -> pd.DataFrame:
    """Read one split's rows from its file or shards; csv and tsv values stay text.

    Raises:
        BadInput: empty, not UTF-8, ragged or not parseable.
        Unavailable: not readable.
    """
    parts = [_read(path) for path in paths]
    for part, path in zip(parts, paths, strict=True):
        if list(part.columns) != list(parts[0].columns):
            raise BadInput(
                f"{path.name} has other columns than {paths[0].name}.",
                "Give all shards the same columns.",
            )
    whole = pd.concat(parts, ignore_index=True)
    if whole.empty:
        raise BadInput(f"{paths[0].name} has no rows.", "Use a file with examples.")
    return whole


def _read(path: Path) -> pd.DataFrame:
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return _parquet(path)
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path.name} is not UTF-8: byte {error.start} cannot be read.",
            "Save it with the encoding UTF-8.",
        ) from error
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be read: {error}.", "Check the file's permissions."
        ) from error
    if not text.strip():
        raise BadInput(f"{path.name} is empty.", "Use a file with examples.")
    return _jsonl(path, text) if kind == ".jsonl" else _separated(path, text)


def _parquet(path: Path) -> pd.DataFrame:
    if path.stat().st_size == 0:
        raise BadInput(f"{path.name} is empty.", "Use a file with examples.")
    try:
        return pd.read_parquet(path)
    except (ValueError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{path.name} is not a parquet file: {reason}", "Write it again.") from error


def _separated(path: Path, text: str) -> pd.DataFrame:
    """Parse csv with quotes, or tsv without: in GLUE's files a quotation mark is text."""
    tabs = path.suffix.lower() == ".tsv"
    csv.field_size_limit(FIELD_LIMIT)
    lines = text.splitlines(keepends=True) if tabs else text.split("\n")
    reader = csv.reader(
        lines if tabs else (f"{line}\n" for line in lines),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
        strict=True,
    )
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise BadInput(
            f"{path.name}, line {reader.line_num}: {error}.", "Check the quotation marks there."
        ) from error
    header = rows.pop(0)[1]
    _check_header(path, header)
    for line, row in rows:
        if len(row) != len(header):
            raise BadInput(
                f"{path.name}, line {line} has {len(row)} fields, the header has {len(header)}.",
                "Quote fields that contain a comma, and give each line the same number of fields.",
            )
    return pd.DataFrame([row for _, row in rows], columns=header, dtype=object)


def _check_header(path: Path, header: list[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadInput(f"{path.name} has two columns named {twice[0]!r}.", "Rename one of them.")


def _jsonl(path: Path, text: str) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(
                f"{path.name}, line {number} is not JSON: {error}.", "One JSON object per line."
            ) from error
        if not isinstance(row, dict):
            raise BadInput(
                f"{path.name}, line {number} is not a JSON object.", "One JSON object per line."
            )
        if rows and row.keys() != rows[0].keys():
            odd = sorted(row.keys() ^ rows[0].keys())
            raise BadInput(
                f"{path.name}, line {number} differs from the first line in {', '.join(odd)}.",
                "Give each line the same keys.",
            )
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)
