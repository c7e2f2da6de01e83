"""Columns of a table: infer and check texts and labels, and give them uniform names."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import BadInput, NotFound

PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("question", "sentence"),
)
SINGLES = ("sentence", "text", "review", "document", "content", "comment", "question", "title")
LONG = 40  # characters of a field that is no name of a column
LABELS = ("label", "labels", "score", "class", "target", "category", "rating", "similarity_score")


def text_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Infer the one or two text columns by the names that public data sets use.

    Raises:
        BadInput: no column has such a name.
    """
    known = {name.lower(): name for name in columns}
    for names in (*PAIRS, *((single,) for single in SINGLES)):
        if all(name in known for name in names):
            return tuple(known[name] for name in names)
    raise BadInput(
        f"No text column among {', '.join(columns)}.",
        "Choose the text column, or the two of a pair, or rename it 'sentence' or 'text'.",
    )


def label_column(table: pd.DataFrame, texts: Sequence[str] = ()) -> str:
    """Infer the label column of a table by the names that public data sets use.

    Args:
        texts: Columns that are none.

    Raises:
        BadInput: no column has such a name.
    """
    known = {name.lower(): name for name in table.columns if name not in texts}
    for name in LABELS:
        if name in known:
            return known[name]
    flags = [name for name in known.values() if _is_flag(table[name])]
    several = f", or all of {', '.join(flags[:5])}, which hold 0 and 1" if len(flags) > 1 else ""
    raise BadInput(
        f"No label column among {', '.join(table.columns)}.",
        f"Choose the label column (--label-column{several}), or rename it 'label'.",
    )


def _is_flag(column: pd.Series) -> bool:
    values = set(column.astype(str).str.strip().str.removesuffix(".0").str.lower())
    return bool(values) and values <= {"0", "1", "true", "false", "nan", "none", ""}


def check_header(table: pd.DataFrame, named: Sequence[str], file: str) -> None:
    """Refuse a first line that is an example, or lines that are quoted as a whole.

    A line is taken for an example where it has no known name of a column, and one of its fields is
    a number, a long text or a value of its column.

    Args:
        named: Names of columns that were asked for.

    Raises:
        BadInput: the first line has no names of columns.
    """
    known = {name for names in PAIRS for name in names} | {*SINGLES, *LABELS}
    if any(name in named or name.lower() in known for name in table.columns):
        return
    names = list(table.columns)
    if len(names) == 1 and any(sign in names[0] for sign in ",;\t|"):
        raise BadInput(
            f"{file}: its lines have a single field, {names[0]!r}: they may be quoted as a whole.",
            "Take off the outer quotation marks, or separate the columns as its name says.",
        )
    if any(_is_value(name, table[name]) for name in names if name):
        raise BadInput(
            f"{file}: the first line must name the columns; it looks like data: "
            f"{' | '.join(name[:LONG] for name in names)}.",
            "Write a first line with names, such as text and label.",
        )


def _is_value(name: str, column: pd.Series) -> bool:
    number = re.fullmatch(r"[+-]?\d+([.,]\d+)?", name) is not None
    return number or len(name) > LONG or bool((column == name).any())


def check_columns(columns: Sequence[str], wanted: Sequence[str], where: str) -> None:
    """Refuse names that are not columns.

    Raises:
        NotFound: no such column; the nearest names and all columns are in the hint.
    """
    for name in wanted:
        if name not in columns:
            near = get_close_matches(name, columns, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(near)}? " if near else ""
            raise NotFound(
                f"{where} has no column {name!r}.",
                f"{hint}Its columns are {', '.join(columns)}.",
            )


def row_numbers(wrong: pd.Series) -> str:
    """Return the first failing rows, counted from 1, for a message."""
    rows = [str(place + 1) for place in wrong.to_numpy().nonzero()[0]]
    return f"row {', '.join(rows[:3])}" + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")


def check_texts(raw: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Refuse texts that are missing, empty, or not strings.

    Raises:
        BadInput: the first rows are in the message.
    """
    for name in columns:
        missing = raw[name].isna()
        if missing.any():
            raise BadInput(
                f"{where}, column {name}: no text (NaN) in {row_numbers(missing)}.",
                "Fill in these texts, or remove the rows.",
            )
        other = ~raw[name].map(lambda value: isinstance(value, str)).astype(bool)
        if other.any():
            raise BadInput(
                f"{where}, column {name}: not a text in {row_numbers(other)}.",
                "Choose another text column, or convert its values to text.",
            )
        empty = raw[name].str.strip() == ""
        if empty.any():
            raise BadInput(
                f"{where}, column {name}: an empty text in {row_numbers(empty)}.",
                "Fill in these texts, or remove the rows.",
            )


def uniform(raw: pd.DataFrame, text: Sequence[str], labels: NDArray[Any]) -> pd.DataFrame:
    """Return the columns text, (pair) and label: int64, float32, or one array for each row.

    Shapes: labels (N,), with several labels (N, C).
    """
    shaped = pd.DataFrame({new: raw[old] for new, old in zip(("text", "pair"), text, strict=False)})
    return shaped.reset_index(drop=True).assign(label=label_column_of(labels))


def label_column_of(labels: NDArray[Any]) -> pd.Series:
    """Return labels as the column of a frame; `labels.label_values` returns them again.

    Shapes: labels (N,), with several labels (N, C).
    """
    if labels.ndim == 2:
        return pd.Series(list(labels.astype(np.float32)), dtype=object)
    kind: Literal["float32", "int64"] = "float32" if labels.dtype.kind == "f" else "int64"
    return pd.Series(labels.astype(kind))
