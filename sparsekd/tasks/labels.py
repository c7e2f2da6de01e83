"""Labels of a local task: class names, class numbers or fractions, checked and turned to ids.

Several labels for each text are read by `label_sets`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks.cards import Kind
from sparsekd.tasks.columns import row_numbers

Values = NDArray[Any]
MAX_CLASSES = 1000
NO_LABEL = {"nan", "none", "null", "na", "n/a"}
UNLABELLED = -100  # the class id that torch's cross-entropy ignores by default


@dataclass(frozen=True)
class Labels:
    """Class names in id order (empty for regression), and each split's ids or numbers.

    A row without a label has the id `UNLABELLED`, or NaN where labels are numbers. In `kind`
    "labels" a row has 1 for each of its labels and 0 for the others, float32 (C,).
    """

    names: tuple[str, ...]
    ids: dict[str, Values]
    kind: Kind


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
        regression: Numbers (True), classes (False), or inferred (None): fractions are numbers.

    Raises:
        BadInput: missing labels, a single class, or validation labels that train lacks.
        Incompatible: names for a regression, or fractions for a classification.
    """
    for name, column in columns.items():
        _check_missing(column, name)
    known = {name: ~blank(column) for name, column in columns.items()}
    given = {n: _given(column, known[n]) for n, column in columns.items() if known[n].any()}
    found = _read_given(given, regression)
    return Labels(
        found.names,
        {name: _in_place(found, name, rows.to_numpy()) for name, rows in known.items()},
        found.kind,
    )


def _read_given(columns: dict[str, pd.Series], regression: bool | None) -> Labels:
    values = {name: _plain(column) for name, column in columns.items()}
    numeric = all(column.dtype.kind in "iuf" for column in values.values())
    if regression is None:
        regression = numeric and any(column.dtype.kind == "f" for column in values.values())
    if regression:
        return _numbers(values, numeric)
    return _classes(values, numeric)


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
    words = column.astype(str).str.strip()
    if (words == "-1").all():
        raise BadInput(
            f"The {name} file has no labels: each is -1.",
            "Use a file with labels; for unlabelled training texts, remove the label column.",
        )
    unlabelled = blank(column)
    missing = words.str.lower().isin(NO_LABEL) & ~unlabelled
    if name not in ("train", "unlabelled"):
        missing |= unlabelled
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


def _plain(column: pd.Series) -> Values:
    """Return integers or fractions if every value is one, even as text, otherwise text."""
    texts = column.astype(str).str.strip()
    words: Values = texts.to_numpy(dtype=object)
    if column.map(lambda value: isinstance(value, bool | np.bool_)).any():
        return words
    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.asarray(column)
    if texts.str.fullmatch(r"[+-]?\d{1,18}").all():
        return np.asarray(texts.astype("int64"))
    numbers = pd.to_numeric(texts, errors="coerce")
    return words if numbers.isna().any() else np.asarray(numbers)


def _numbers(values: dict[str, Values], numeric: bool) -> Labels:
    if not numeric:
        odd = next(v for column in values.values() for v in column if isinstance(v, str))
        raise Incompatible(
            f"The metric needs numbers; the label {odd!r} is not one.",
            "Choose accuracy, macro_f1 or another metric of classes.",
        )
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


def _classes(values: dict[str, Values], numeric: bool) -> Labels:
    if numeric and any(column.dtype.kind == "f" for column in values.values()):
        values = {name: _whole(column) for name, column in values.items()}
    if not numeric:
        values = {name: column.astype(str) for name, column in values.items()}
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
