"""Labels of a local task: class names, class numbers or fractions, checked and turned to ids."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks.columns import row_numbers

Values = NDArray[Any]
MAX_CLASSES = 1000
NO_LABEL = {"", "nan", "none", "null", "na", "n/a"}


@dataclass(frozen=True)
class Labels:
    """Class names in id order (empty for regression), and each split's ids or numbers."""

    names: tuple[str, ...]
    ids: dict[str, Values]


def read_labels(columns: dict[str, pd.Series], regression: bool | None) -> Labels:
    """Return labels as ids 0 … C−1 in the order of the sorted names, or as numbers.

    Args:
        regression: Numbers (True), classes (False), or inferred (None): fractions are numbers.

    Raises:
        BadInput: missing labels, a single class, or validation labels that train lacks.
        Incompatible: names for a regression, or fractions for a classification.
    """
    for name, column in columns.items():
        _check_missing(column, name)
    values = {name: _plain(column) for name, column in columns.items()}
    numeric = all(column.dtype.kind in "iuf" for column in values.values())
    if regression is None:
        regression = numeric and any(column.dtype.kind == "f" for column in values.values())
    if regression:
        return _numbers(values, numeric)
    return _classes(values, numeric)


def _check_missing(column: pd.Series, name: str) -> None:
    missing = column.isna() | column.astype(str).str.strip().str.lower().isin(NO_LABEL)
    if missing.all() or (column.astype(str).str.strip() == "-1").all():
        raise BadInput(
            f"The {name} file has no labels.", "Use a file with a label for every example."
        )
    if missing.any():
        raise BadInput(
            f"The {name} file has no label in {row_numbers(missing)}.",
            "Fill in these labels, or remove the rows.",
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
    if np.ptp(ids["train"]) == 0:
        raise BadInput(
            f"Every training label is {ids['train'][0]:g}.",
            "Check the label column.",
        )
    return Labels((), ids)


def _classes(values: dict[str, Values], numeric: bool) -> Labels:
    if numeric and any(column.dtype.kind == "f" for column in values.values()):
        values = {name: _whole(column) for name, column in values.items()}
    if not numeric:
        values = {name: column.astype(str) for name, column in values.items()}
    known = np.unique(values["train"])
    _check_classes(known, len(values["train"]))
    for name, column in values.items():
        unseen = sorted(set(column.tolist()) - set(known.tolist()))
        if unseen:
            raise BadInput(
                f"The {name} file has labels that train lacks: "
                f"{', '.join(map(str, unseen[:5]))}; train has {', '.join(map(str, known[:5]))}.",
                "Correct the labels, or remove these rows.",
            )
    ids = {name: np.searchsorted(known, column) for name, column in values.items()}
    return Labels(tuple(str(name) for name in known), ids)


def _whole(column: Values) -> NDArray[np.int64]:
    if not (column == np.round(column)).all():
        raise Incompatible(
            f"The metric needs classes; {column[column != np.round(column)][0]:g} is not one.",
            "Choose pearson or spearman.",
        )
    return column.astype(np.int64)


def _check_classes(known: Values, rows: int) -> None:
    if len(known) < 2:
        raise BadInput(
            f"The train file has a single class, {known[0]}.",
            "Check the label column, or use data with at least two classes.",
        )
    if len(known) > MAX_CLASSES or (rows > 20 and len(known) > rows // 2):
        raise BadInput(
            f"The label column has {len(known)} different values in {rows} rows.",
            "Choose another label column; for numbers, the metric pearson.",
        )
