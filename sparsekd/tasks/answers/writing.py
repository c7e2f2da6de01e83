"""Write answers: for each row its texts, and the predicted label or number with all outputs.

Columns: `label`, then `probability_<label>` and `logit_<label>` for each class; of several labels
`labels`, the list of those that apply, then the same for each label; of a regression `value`.
Numbers have the 9 digits that give every float32 back; csv has lists as JSON.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparsekd.errors import BadInput
from sparsekd.system.files import atomic_write
from sparsekd.tasks.cards import Kind
from sparsekd.tasks.predictions import names_of, probabilities

FORMATS = (".parquet", ".csv", ".jsonl")
PROBABILITY, LOGIT = "probability_", "logit_"


def answers_frame(
    rows: pd.DataFrame,
    logits: NDArray[np.float32],
    labels: tuple[str, ...],
    with_logits: bool,
    kind: Kind = "classes",
) -> pd.DataFrame:
    """Return the columns of `rows`, which name the texts, with a model's answers beside them.

    Shapes: logits (N, C), N here the number of rows; without labels, a regression, (N, 1).

    Raises:
        BadInput: a column of `rows` has the name of an answer.
    """
    answers = _answers(logits, labels, with_logits, kind)
    taken = sorted(set(rows.columns) & set(answers))
    if taken:
        raise BadInput(f"A text column is called {taken[0]!r}, as an answer is.", "Rename it.")
    return pd.concat([rows.reset_index(drop=True), pd.DataFrame(answers)], axis="columns")


def _answers(
    logits: NDArray[np.float32], labels: tuple[str, ...], with_logits: bool, kind: Kind
) -> dict[str, NDArray[Any] | pd.Series]:
    if not labels:
        return {"value": logits[:, 0]}
    shares = probabilities(kind, logits).astype(np.float32)
    found: dict[str, NDArray[Any] | pd.Series] = {}
    if kind == "labels":
        found["labels"] = pd.Series([names_of(labels, row) for row in logits], dtype=object)
    else:
        found["label"] = np.asarray(labels, dtype=object)[logits.argmax(axis=1)]
    found |= {f"{PROBABILITY}{name}": shares[:, place] for place, name in enumerate(labels)}
    if with_logits:
        found |= {f"{LOGIT}{name}": logits[:, place] for place, name in enumerate(labels)}
    return found


def write_file(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    """Write frames of answers to one file atomically, as they come.

    Raises:
        BadInput: an unknown format; Unavailable: the disk is full or read-only.
    """
    check_format(path)
    write = {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_jsonl}
    atomic_write(path, lambda beside: write[path.suffix.lower()](beside, frames))


def check_format(path: Path) -> None:
    """Refuse a file name that says no format.

    Raises:
        BadInput: see above.
    """
    if path.suffix.lower() not in FORMATS:
        raise BadInput(
            f"{path.name} is none of {', '.join(FORMATS)}.", "Give the file one of these endings."
        )


def write_lines(stream: IO[str], frames: Iterable[pd.DataFrame]) -> None:
    """Write frames of answers to a stream as they come: one JSON object per row."""
    for frame in frames:
        stream.writelines(_lines(frame))
        stream.flush()


def _write_parquet(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for frame in frames:
            schema = writer.schema if writer else None
            table = _table(frame, schema)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer:
            writer.close()


def _table(frame: pd.DataFrame, schema: pa.Schema | None) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    except (pa.ArrowException, TypeError) as error:
        raise BadInput(
            f"A column has values of several kinds: {str(error).splitlines()[0]}",
            "Make them numbers alone or texts alone.",
        ) from error


def _write_csv(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        # Texts are quoted, so that line ends of any kind in them survive.
        writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        for place, frame in enumerate(frames):
            if not place:
                writer.writerow(frame.columns)
            columns = [map(_cell, _plain(frame[name])) for name in frame]
            writer.writerows(zip(*columns, strict=True))


def _write_jsonl(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        write_lines(stream, frames)


def _lines(frame: pd.DataFrame) -> Iterator[str]:
    columns = [_plain(frame[name]) for name in frame]
    for values in zip(*columns, strict=True):
        row = dict(zip(frame.columns, values, strict=True))
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _cell(value: Any) -> Any:
    """Return a value as a cell of csv: a list as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def _plain(column: pd.Series) -> list[Any]:
    """Return the values of a column as text files have them."""
    if column.dtype == np.float32:
        return [float(f"{value:.9g}") for value in column.tolist()]
    return [value.item() if hasattr(value, "item") else value for value in column]
