"""Several labels for each text: a column of lists, or a column of 0 and 1 for each label.

An empty list, or a row of zeros, is an example to which no label applies; an empty cell is an
unlabelled example. In csv and tsv a list is written as JSON: ["acting", "plot"].
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks.columns import row_numbers
from sparsekd.tasks.labels import MAX_CLASSES, Labels, blank

Flags = NDArray[np.bool_]
Sets = list[frozenset[str] | None]
"""The labels of each row, None for an unlabelled one."""
TRUE, FALSE = {"1", "true"}, {"0", "false"}


def read_lists(columns: dict[str, pd.Series]) -> Labels:
    """Return the labels of columns of lists; the names are those of the training rows, sorted.

    Raises:
        BadInput: a cell is no list of names; too few or too many labels; validation labels that
            train lacks.
    """
    sets = {split: _sets(column, split) for split, column in columns.items()}
    source = next(split for split, rows in sets.items() if any(row is not None for row in rows))
    names = _sorted({name for row in sets[source] if row for name in row})
    _check_names(names, source)
    _check_numbers(names, len(sets[source]), source)
    places = {name: place for place, name in enumerate(names)}
    for split, rows in sets.items():
        unseen = _sorted({name for row in rows if row for name in row} - set(names))
        if unseen:
            raise BadInput(
                f"The {split} file has labels that {source} lacks: {', '.join(unseen[:5])}; "
                f"{source} has {', '.join(names[:5])}.",
                "Correct the labels, or remove these rows.",
            )
    return Labels(
        names, {split: _indicators(rows, places) for split, rows in sets.items()}, "labels"
    )


def read_indicators(tables: dict[str, pd.DataFrame]) -> Labels:
    """Return the labels of tables with one column of 0 and 1 for each label, named as the columns.

    Raises:
        BadInput: other values; a row that has some labels and lacks others; a label that no
            training row has.
    """
    names = tuple(str(name) for name in next(iter(tables.values())).columns)
    ids = {split: _numbers(table, split) for split, table in tables.items()}
    source = next(split for split, rows in ids.items() if not np.isnan(rows).all())
    _check_names(names, source)
    never = [
        name for name, column in zip(names, ids[source].T, strict=True) if not (column > 0).any()
    ]
    if never:
        raise BadInput(
            f"No row of the {source} file has the label{'s' * (len(never) > 1)} "
            f"{', '.join(never[:5])}: every value is 0.",
            "Leave these columns out, or add rows that have them.",
        )
    return Labels(names, ids, "labels")


def _sets(column: pd.Series, split: str) -> Sets:
    unlabelled = blank(column)
    _check_missing(unlabelled, split)
    lists = [cell if isinstance(cell, list) else None for cell in column]
    wrong = pd.Series([cell is None for cell in lists]) & ~unlabelled.reset_index(drop=True)
    if wrong.any():
        raise BadInput(
            f"The {split} file has no list of labels in {row_numbers(wrong)}: "
            f"{column.iloc[int(wrong.to_numpy().argmax())]!r}.",
            'Write a list in each row, in csv and tsv as JSON: ["a", "b"], or [] where no label '
            "applies.",
        )
    found: Sets = []
    for row, names in enumerate(lists, start=1):
        words = None if names is None else [_name(one) for one in names]
        if words is not None and ("" in words or len(set(words)) < len(words)):
            what = "a label without a name" if "" in words else "one label twice"
            raise BadInput(
                f"The {split} file has {what} in row {row}: {names!r}.",
                "Write each label of the row once, as a text or a whole number.",
            )
        found.append(None if words is None else frozenset(words))
    return found


def _name(value: Any) -> str:
    """Return a label's name; nothing for a value that is neither a text nor a whole number."""
    if isinstance(value, str):
        return value.strip()
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return str(value) if whole else ""


def _sorted(names: set[str]) -> tuple[str, ...]:
    """Return the names in their order: whole numbers by size, otherwise the alphabet's."""
    numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=(lambda name: (int(name), name)) if numbers else None))


def _check_names(names: tuple[str, ...], source: str) -> None:
    if len(names) < 2:
        found = f"the single label {names[0]!r}" if names else "no label at all"
        raise BadInput(
            f"The {source} file has {found} in its lists.",
            "Check the label column; whether one label applies or not is a task of two classes.",
        )
    if len(names) > MAX_CLASSES:
        raise BadInput(
            f"The {source} file has {len(names):,} different labels; the most is {MAX_CLASSES:,}.",
            "Check the label column, or leave out rare labels.",
        )


def _check_numbers(names: tuple[str, ...], rows: int, source: str) -> None:
    """Refuse as many different numbers as only places in texts are."""
    if rows > 20 and len(names) > rows // 2 and all(name.isdecimal() for name in names):
        raise BadInput(
            f"The lists of the {source} file hold {len(names):,} different numbers in {rows:,} "
            "rows: perhaps places in the text (spans), which are not supported.",
            "Give each text one label, or a list of the names of those that apply.",
        )


def _indicators(rows: Sets, places: dict[str, int]) -> NDArray[np.float32]:
    """Shapes: -> (N, C), NaN for an unlabelled row."""
    found = np.zeros((len(rows), len(places)), dtype=np.float32)
    for row, names in enumerate(rows):
        if names is None:
            found[row] = np.nan
        else:
            found[row, [places[name] for name in names]] = 1
    return found


def _numbers(table: pd.DataFrame, split: str) -> NDArray[np.float32]:
    """Return a split's columns as numbers. Shapes: -> (N, C), NaN for an unlabelled row."""
    empty = np.stack([blank(table[name]).to_numpy() for name in table], axis=1)
    words = np.stack([_words(table[name]) for name in table], axis=1)
    yes, no = np.isin(words, list(TRUE)), np.isin(words, list(FALSE))
    wrong = ~(yes | no | empty)
    if wrong.any():
        row, place = (int(each[0]) for each in np.nonzero(wrong))
        raise BadInput(
            f"The {split} file has {table.iloc[row, place]!r} in its label column "
            f"{table.columns[place]}, row {row + 1}; {wrong.sum():,} values are neither 0 nor 1.",
            "Several label columns have a label each, with 1 where it applies and 0 elsewhere. "
            "Name a single column for classes or lists.",
        )
    partly = pd.Series(np.asarray(empty.any(axis=1) & ~empty.all(axis=1)))
    if partly.any():
        raise BadInput(
            f"The {split} file has some labels and lacks others in {row_numbers(partly)}.",
            "Write 0 or 1 in each label column, or nothing in all of them.",
        )
    _check_missing(pd.Series(np.asarray(empty.all(axis=1))), split)
    return np.where(empty, np.nan, yes).astype(np.float32)


def _words(column: pd.Series) -> NDArray[np.object_]:
    """Return values as text, 1 for 1.0."""
    texts = column.astype(str).str.strip().str.lower()
    return texts.str.replace(r"^([01])\.0$", r"\1", regex=True).to_numpy(dtype=object)


def _check_missing(unlabelled: pd.Series, split: str) -> None:
    if split not in ("train", "unlabelled") and unlabelled.any():
        raise BadInput(
            f"The {split} file has no label in {row_numbers(unlabelled)}.",
            "Write an empty list, or 0 in each column, where no label applies; or remove the rows.",
        )


def check_kind(metric_kinds: set[str], metrics: tuple[str, ...]) -> None:
    """Refuse metrics that are not for several labels.

    Raises:
        Incompatible: one of them is for classes or numbers alone.
    """
    if metrics and "labels" not in metric_kinds:
        raise Incompatible(
            f"{' and '.join(metrics)}: not for several labels for each text.",
            "Choose micro_f1, macro_f1 or subset_accuracy, or a column with one label in each row.",
        )
