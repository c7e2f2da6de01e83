"""Label columns of all splits, and the metrics that fit them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from sparsekd.errors import Incompatible, unknown
from sparsekd.tasks.columns import check_columns
from sparsekd.tasks.label_cells import read_cells
from sparsekd.tasks.label_sets import check_kind, read_indicators, read_lists
from sparsekd.tasks.labels import Labels, read_labels
from sparsekd.tasks.metrics import METRICS


def label_columns(table: pd.DataFrame, labels: tuple[str, ...], split: str) -> pd.DataFrame:
    """Return the label columns of a file; they are empty where it has none.

    Raises:
        NotFound: it has some of them.
    """
    known = [label for label in labels if label in table and split != "unlabelled"]
    if known and len(known) < len(labels):
        check_columns(list(table.columns), labels, f"The {split} file")
    if known:
        return table[list(labels)]
    return pd.DataFrame(np.nan, index=table.index, columns=list(labels), dtype=object)


def read_label_columns(columns: dict[str, pd.DataFrame], metrics: tuple[str, ...]) -> Labels:
    """Read one column of classes, numbers or lists, or several of 0 and 1.

    Raises:
        SparseKDError: labels that are no such, or that the metrics are not for.
    """
    kinds = kinds_of(metrics)
    if len(next(iter(columns.values())).columns) > 1:
        check_kind(kinds, metrics)
        return read_indicators(columns)
    single = {name: table.iloc[:, 0] for name, table in columns.items()}
    several = {frozenset({"labels"}): True}.get(
        frozenset(kinds), None if "labels" in kinds else False
    )
    cells = read_cells(single, several if metrics else None)
    if cells.form == "lists":
        check_kind(kinds, metrics)
        found = read_lists(cells.columns)
    elif kinds == {"labels"}:
        raise Incompatible(
            f"{metrics[0]} is for several labels for each text; the label column has no lists.",
            "Name the columns of the labels, each with 0 and 1, or choose another metric.",
        )
    else:
        inferred = False if cells.form == "classes" else None
        found = read_labels(cells.columns, "number" in kinds if metrics else inferred)
    return replace(found, notes=(*cells.notes, *found.notes))


def check_metrics(names: tuple[str, ...]) -> None:
    """Refuse metrics that do not exist, or cannot be combined.

    Raises:
        NotFound: no such metric; Incompatible: no kind of label is common to them.
    """
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    if names and not kinds_of(names):
        raise Incompatible(
            f"{' and '.join(names)} cannot be combined.",
            "Correlations are for regression, micro_f1 and subset_accuracy for several labels for "
            "each text, the other metrics for classes.",
        )


def kinds_of(metrics: tuple[str, ...]) -> set[str]:
    """Return the kinds of label that all of these metrics are for."""
    each: list[set[str]] = [set(METRICS[name].kinds) for name in metrics]
    return set.intersection(*each) if each else set()
