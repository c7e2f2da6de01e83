"""Labels of a local task: class names, class numbers or fractions, checked and turned to ids.

Several labels for each text are read by `label_sets`.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks.cards import Kind
from sparsekd.tasks.columns import row_numbers

Values = NDArray[Any]
Columns = dict[str, pd.Series]
MAX_CLASSES = 1000
FEW = 20
"""Different whole numbers, written as 1.0, up to which they are classes."""
NO_NUMBER = {"nan", "none", "null", "na", "n/a", "-", "?"}
"""What programs write among numbers where there is none."""
AS_NUMBERS = "the metric pearson (--metric) makes them numbers"
CODE = r"[+-]?(0\d+|\d+[eE]\d+)"
"""Names of classes that would be other numbers: 007, 1E1."""
UNLABELLED = -100  # the class id that torch's cross-entropy ignores by default


@dataclass(frozen=True)
class Labels:
    """Class names in id order (empty for regression), and each split's ids or numbers.

    A row without a label has the id `UNLABELLED`, or NaN where labels are numbers. In `kind`
    "labels" a row has 1 for each of its labels and 0 for the others, float32 (C,). `notes` say what
    was inferred and how to decide otherwise.
    """

    names: tuple[str, ...]
    ids: dict[str, Values]
    kind: Kind
    notes: tuple[str, ...] = ()


def is_labelled(labels: Values) -> NDArray[np.bool_]:
    """Return which examples have a gold label.

    Shapes: labels (N,) or (N, C) -> (N,).
    """
    if labels.dtype.kind != "f":
        return np.asarray(labels != UNLABELLED)
    known: NDArray[np.bool_] = ~np.isnan(labels)
    return np.asarray(known.all(axis=1)) if labels.ndim == 2 else known


def label_values(column: pd.Series) -> Values:
    """Return the labels of a frame as one array.

    Shapes: -> (N,), with several labels (N, C).
    """
    return np.stack(column.tolist()) if column.dtype == object else column.to_numpy()


def without_labels(labels: Values, kept: NDArray[np.int64]) -> Values:
    """Return the labels of some rows; all others are unlabelled.

    Shapes: labels (N,) or (N, C), kept (K,) -> as labels.
    """
    found = np.full_like(labels, np.nan if labels.dtype.kind == "f" else UNLABELLED)
    found[kept] = labels[kept]
    return found


def read_labels(columns: dict[str, pd.Series], regression: bool | None) -> Labels:
    """Return labels as ids 0 … C−1 in the order of the sorted names, or as numbers.

    Training rows may have no label (an empty cell); the classes are those of the training rows
    that have one, of the validation rows where none has.

    Args:
        regression: Numbers (True), classes (False), or inferred (None): fractions are numbers, and
            so are many different whole numbers that are written as 1.0.

    Raises:
        BadInput: missing labels, a single class, or validation labels that train lacks.
        Incompatible: names for a regression, or fractions for a classification.
    """
    for name, column in columns.items():
        _check_missing(column, name)
    known = {name: ~blank(column) for name, column in columns.items()}
    given = {n: _given(column, known[n]) for n, column in columns.items() if known[n].any()}
    found = _read_given(given, regression)
    return replace(
        found,
        ids={name: _in_place(found, name, rows.to_numpy()) for name, rows in known.items()},
    )


def _read_given(columns: dict[str, pd.Series], regression: bool | None) -> Labels:
    texts = {name: column.astype(str).str.strip() for name, column in columns.items()}
    numeric = _numeric(texts, columns, codes=regression is not True)
    if not numeric:
        if regression:
            raise _no_number(texts)
        _check_odd(texts)
        found = _classes({name: column.to_numpy(dtype=object) for name, column in texts.items()})
        return replace(found, notes=() if regression is False else _names_noted(texts, found.names))
    values = {name: _values(texts[name], columns[name]) for name in columns}
    commas = any(text.str.contains(",").any() for text in texts.values())
    notes = ("decimal commas are read as decimal points",) if commas else ()
    fractions = any(column.dtype.kind == "f" for column in values.values())
    if regression is None and fractions:
        regression, words = _inferred(values)
        notes += words
    elif regression is None and len(np.unique(np.concatenate(list(values.values())))) > 2:
        notes += (f"whole numbers are read as classes; {AS_NUMBERS}",)
    found = _numbers(values) if regression else _classes(values)
    return replace(found, notes=notes)


def _inferred(values: dict[str, Values]) -> tuple[bool, tuple[str, ...]]:
    """Return whether labels of which some are written as 1.0 are numbers, and why in words."""
    different = np.unique(np.concatenate(list(values.values())))
    if not np.isfinite(different).all() or (different != np.round(different)).any():
        return True, ()
    if len(different) > FEW:
        words = f"{len(different):,} different whole numbers, as 1.0, are read as numbers"
        return True, (f"{words}; the metric accuracy (--metric) makes them classes",)
    words = f"{len(different)} different whole numbers, as 1.0, are read as classes"
    return False, (f"{words}; {AS_NUMBERS}",)


def _names_noted(texts: Columns, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return what names of classes look like, where they may have been meant otherwise."""
    if not any(_parsed(column).isna().any() for column in texts.values()):
        code = next(name for name in names if re.fullmatch(CODE, name))
        return (f"labels are read as names of classes, because of {code!r}; {AS_NUMBERS}",)
    words = [name for name in names if name.lower() in NO_NUMBER]
    if (
        words
        and len(words) < len(names)
        and all(name in words or re.fullmatch(r"[+-]?\d+", name) for name in names)
    ):
        return (f"{words[0]!r} among numbers is read as the name of a class",)
    for sign in "|;,":
        parts = [name.split(sign) for name in names]
        joined = [name for name, each in zip(names, parts, strict=True) if len(each) > 1]
        single = {each[0].strip() for each in parts if len(each) == 1}
        if joined and all({part.strip() for part in name.split(sign)} <= single for name in joined):
            return (
                f"{joined[0]!r} is one class beside its parts; lists make them several labels for "
                "each text",
            )
    return ()


def _in_place(labels: Labels, name: str, known: NDArray[np.bool_]) -> Values:
    """Return a split's labels with those of its unlabelled rows.

    Shapes: known (N,) -> (N,).
    """
    dtype, nothing = (np.int64, UNLABELLED) if labels.names else (np.float32, np.nan)
    found: Values = np.full(len(known), nothing, dtype=dtype)
    if name in labels.ids:
        found[known] = labels.ids[name]
    return found


def _given(column: pd.Series, known: pd.Series) -> pd.Series:
    """Return the labels that are there; integers again where only the gaps made them fractions."""
    found = column[known]
    gaps = pd.api.types.is_float_dtype(column.dtype) and not known.all()
    return found.astype("int64") if gaps and (found == found.round()).all() else found


def blank(column: pd.Series) -> pd.Series:
    """Return which cells are empty: rows without a label, not labels in words like "none"."""
    return column.isna() | (column.astype(str).str.strip() == "")


def _check_missing(column: pd.Series, name: str) -> None:
    if (column.astype(str).str.strip() == "-1").all():
        raise BadInput(
            f"The {name} file has no labels: each is -1.",
            "Use a file with labels; for unlabelled training texts, remove the label column.",
        )
    missing = blank(column)
    if name in ("train", "unlabelled"):
        return
    if missing.all():
        raise BadInput(
            f"The {name} file has no labels.", "Use a file with a label for every example."
        )
    if missing.any():
        raise BadInput(
            f"The {name} file has no label in {row_numbers(missing)}.",
            "Fill in these labels, or remove the rows; leave the cell of an unlabelled training "
            "text empty.",
        )


def _numeric(texts: Columns, columns: Columns, codes: bool) -> bool:
    """Return whether every label is a number; with `codes`, none of them a name such as 1E1."""
    for name, column in texts.items():
        if columns[name].map(lambda value: isinstance(value, bool | np.bool_)).any():
            return False
        if pd.api.types.is_numeric_dtype(columns[name].dtype):
            continue
        if codes and column.str.fullmatch(CODE).any():
            return False
        if _parsed(column).isna().any():
            return False
    return True


def _parsed(texts: pd.Series) -> pd.Series:
    """Return texts as numbers, NaN for those that are none; "0,5" is one half."""
    points = texts.str.replace(r"^([+-]?\d+),(\d+)$", r"\1.\2", regex=True)
    return pd.to_numeric(points, errors="coerce")


def _values(texts: pd.Series, column: pd.Series) -> Values:
    """Return labels as integers, or as fractions where one of them is written as a fraction."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.asarray(column)
    if texts.str.fullmatch(r"[+-]?\d{1,18}").all():
        return np.asarray(texts.astype("int64"))
    return np.asarray(_parsed(texts), dtype=np.float64)


def _no_number(texts: Columns) -> Incompatible:
    column = next(each for each in texts.values() if _parsed(each).isna().any())
    odd = column[_parsed(column).isna()].iloc[0]
    return Incompatible(
        f"The metric needs numbers; the label {odd!r} is not one.",
        "Choose accuracy, macro_f1 or another metric of classes.",
    )


def _check_odd(texts: Columns) -> None:
    """Refuse fractions among which some words say that there is no number.

    Among names, and among whole numbers, such a word is the name of a class.
    """
    for name, column in texts.items():
        empty = column.str.lower().isin(NO_NUMBER)
        numbers = _parsed(column[~empty])
        if empty.any() and not numbers.isna().any() and (numbers % 1 != 0).any():
            raise BadInput(
                f"The {name} file has {column[empty].iloc[0]!r} among numbers in "
                f"{row_numbers(_in_file(empty))}.",
                "Fill in these labels, or remove the rows; leave the cell of an unlabelled "
                "training text empty.",
            )


def _in_file(rows: pd.Series) -> pd.Series:
    """Return flags of the labelled rows as flags of all rows."""
    return rows.reindex(range(rows.index.max() + 1), fill_value=False)


def _numbers(values: dict[str, Values]) -> Labels:
    ids = {name: column.astype("float32") for name, column in values.items()}
    for name, column in ids.items():
        wrong = ~np.isfinite(column)
        if wrong.any():
            raise BadInput(
                f"The {name} file has infinite labels in {row_numbers(pd.Series(wrong))}.",
                "Correct them, or remove the rows.",
            )
    first = next(iter(ids.values()))
    if np.ptp(first) == 0:
        raise BadInput(
            f"Every {next(iter(ids))} label is {first[0]:g}.",
            "Check the label column.",
        )
    return Labels((), ids, "number")


def _classes(values: dict[str, Values]) -> Labels:
    if any(column.dtype.kind == "f" for column in values.values()):
        values = {name: _whole(column) for name, column in values.items()}
    source = next(iter(values))
    known = np.unique(values[source])
    _check_classes(known, len(values[source]), source)
    for name, column in values.items():
        unseen = sorted(set(column.tolist()) - set(known.tolist()))
        if unseen:
            raise BadInput(
                f"The {name} file has labels that {source} lacks: "
                f"{', '.join(map(str, unseen[:5]))}; {source} has "
                f"{', '.join(map(str, known[:5]))}.",
                "Correct the labels, or remove these rows.",
            )
    ids = {name: np.searchsorted(known, column) for name, column in values.items()}
    return Labels(tuple(str(name) for name in known), ids, "classes")


def _whole(column: Values) -> NDArray[np.int64]:
    if not (column == np.round(column)).all():
        raise Incompatible(
            f"The metric needs classes; {column[column != np.round(column)][0]:g} is not one.",
            "Choose pearson or spearman.",
        )
    return column.astype(np.int64)


def _check_classes(known: Values, rows: int, source: str) -> None:
    if len(known) < 2:
        raise BadInput(
            f"The {source} file has a single class, {known[0]}.",
            "Check the label column, or use data with at least two classes.",
        )
    if len(known) > MAX_CLASSES or (rows > 20 and len(known) > rows // 2):
        raise BadInput(
            f"The label column has {len(known)} different values in {rows} rows.",
            "Choose another label column; for numbers, the metric pearson.",
        )
