"""Cells of a label column that are no single value: lists, one-hot rows, and what is no label."""

import ast
import json
import re
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
import pandas as pd

from sparsekd.errors import BadInput
from sparsekd.tasks.labels import blank

Form = Literal["values", "classes", "lists"]
ARRAY = re.compile(r"\[[\d\s.eE+-]+\]")
"""How numpy writes a row: [0 1 0]."""
SUM = 0.01  # how far the sum of probabilities may be from 1
SINGLE = "Give each text one label, or a list of the names of those that apply."


class Cells(NamedTuple):
    """The label columns by split, what their cells are, and how they were read in words."""

    columns: dict[str, pd.Series]
    form: Form
    notes: tuple[str, ...] = ()


def read_cells(columns: dict[str, pd.Series], several: bool | None) -> Cells:
    """Return columns of single values as they are; lists of one, and one-hot rows, as values.

    Rows of 0 and 1, one for each label, are returned as lists of the labels' positions. In text, a
    column holds lists where each of its cells is one, as JSON or as Python and numpy write it.

    Args:
        several: Whether a text may have several labels; None where the cells decide.

    Raises:
        BadInput: objects, lists of lists, probabilities or fractions, which are no labels.
    """
    rows = {split: _listed(column) for split, column in columns.items()}
    given = [cell for split in rows for cell in rows[split][~blank(columns[split])]]
    for split, column in rows.items():
        _check_objects(column, split)
    lists = [cell for cell in given if isinstance(cell, list)]
    if not lists:
        return Cells(columns, "values")
    written = any(isinstance(cell, str) for column in columns.values() for cell in column)
    notes = ("labels are lists written as text",) if written and not _all_json(columns) else ()
    if len(lists) < len(given):
        return Cells(rows, "lists", notes)
    if all(len(cell) == 1 for cell in lists) and not several:
        words = "lists of one label are read as that label"
        return Cells(_mapped(rows, lambda cell: cell[0]), "values", (*notes, words))
    width = len(lists[0])
    equal = width > 1 and all(len(cell) == width for cell in lists)
    if not all(_is_number(each) for cell in lists for each in cell):
        return Cells(rows, "lists", notes)
    _check_fractions(lists, equal)
    values = np.array(lists if equal else [[np.nan]], dtype=np.float64)
    if not np.isin(values, (0, 1)).all():
        return Cells(rows, "lists", notes)
    if (values.sum(axis=1) == 1).all() and not several:
        words = f"rows with a single 1 among {width} are read as classes 0 to {width - 1}"
        return Cells(
            _mapped(rows, lambda cell: str(int(np.argmax(cell)))), "classes", (*notes, words)
        )
    words = f"rows of {width} zeros and ones are read as labels 0 to {width - 1}"
    return Cells(
        _mapped(rows, lambda cell: np.flatnonzero(cell).tolist()), "lists", (*notes, words)
    )


def _listed(column: pd.Series) -> pd.Series:
    """Return a column with Python lists, where it has lists or all of its texts are lists."""
    given = column[~blank(column)]
    found = given.map(_unpacked)
    texts = found.map(lambda cell: isinstance(cell, str))
    if len(given) and texts.all():
        parsed = found.map(_parsed)
        if parsed.map(lambda cell: isinstance(cell, list | dict)).all():
            found = parsed
        elif found.str.fullmatch(r"\[.*\]").all() and found.str.contains(",").any():
            odd = found[parsed.isna()].iloc[0]
            raise BadInput(
                f"Labels look like lists, but {odd!r} is not JSON.", 'Write a list as ["a", "b"].'
            )
    whole = column.astype(object).copy()
    whole.loc[given.index] = pd.Series(found.tolist(), index=given.index, dtype=object)
    return whole


def _unpacked(cell: Any) -> Any:
    return list(cell) if isinstance(cell, np.ndarray | list | tuple | set) else cell


def _is_list(cell: Any) -> bool:
    return isinstance(cell, np.ndarray | list | tuple | set)


def _parsed(text: str) -> Any:
    """Return the list or object that a text writes; None for another text."""
    text = text.strip()
    if not text or text[0] + text[-1] not in ("[]", "()", "{}"):
        return None
    found = _json(text)
    if found is None:
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            if ARRAY.fullmatch(text):
                return [int(n) if n.is_integer() else n for n in map(float, text[1:-1].split())]
    if isinstance(found, set):
        return sorted(found, key=str)
    return list(found) if isinstance(found, tuple) else found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _all_json(columns: dict[str, pd.Series]) -> bool:
    return all(
        isinstance(_json(cell), list)
        for column in columns.values()
        for cell in column[~blank(column)]
        if isinstance(cell, str)
    )


def _check_objects(column: pd.Series, split: str) -> None:
    for row, cell in enumerate(column, start=1):
        inner = cell if isinstance(cell, list) else [cell]
        odd = next((each for each in inner if isinstance(each, dict) or _is_list(each)), None)
        if odd is None:
            continue
        if isinstance(odd, dict) and _is_soft([list(odd.values())]):
            _refuse_soft(len(odd))
        what = (
            f"an object with the keys {', '.join(map(str, list(odd)[:5]))}"
            if isinstance(odd, dict)
            else "a list in a list"
        )
        raise BadInput(
            f"The {split} file has {what} as label in row {row}: spans, labels of single words and "
            "other structures are not supported.",
            f"{SINGLE} Several labels may also have a column of 0 and 1 each.",
        )


def _check_fractions(lists: list[list[Any]], equal: bool) -> None:
    """Refuse lists with fractions: probabilities where lists of equal length have the sum 1."""
    fractions = [each for cell in lists for each in cell if each % 1]
    if not fractions:
        return
    if equal and _is_soft(lists):
        _refuse_soft(len(lists[0]))
    raise BadInput(f"Labels are lists with fractions, such as {fractions[0]:g}.", SINGLE)


def _is_soft(lists: list[list[Any]]) -> bool:
    """Return whether lists of numbers are probabilities: fractions, not negative, of sum 1."""
    return any(_is_number(each) and each % 1 for cell in lists for each in cell) and all(
        all(_is_number(each) for each in cell) and min(cell) >= 0 and abs(sum(cell) - 1) <= SUM
        for cell in lists
        if cell
    )


def _refuse_soft(classes: int) -> NoReturn:
    raise BadInput(
        f"The labels are probabilities of {classes} classes (soft labels); a gold label is one "
        "class.",
        "Give each text its likeliest class as label, and the probabilities as a teacher's "
        "answers: a file with the text and columns probability_<label> (distil --teacher).",
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating)


def _mapped(rows: dict[str, pd.Series], single: Any) -> dict[str, pd.Series]:
    """Return columns whose lists are replaced by single values; empty cells stay."""
    return {
        split: pd.Series(
            [single(cell) if isinstance(cell, list) else cell for cell in column],
            index=column.index,
            dtype=object,
        )
        for split, column in rows.items()
    }
