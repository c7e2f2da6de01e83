"""A task at a glance: facts, sample rows, and how often each label occurs."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from sparsekd.tasks import demo, files, local
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import UNLABELLED, is_labelled, label_values
from sparsekd.tasks.metrics import METRICS
from sparsekd.tasks.predictions import label_text
from sparsekd.tasks.tables import read_table

SAMPLES = 5
SHOWN = 3  # label columns in words
NONE = -1  # in counts: an example to which no label applies

Splits = dict[str, pd.DataFrame]


def read_splits(card: TaskCard) -> Splits | None:
    """Return a task's rows by split; None where the hub provides them when a run starts."""
    if card.origin == "hub":
        return None
    return demo.generate(card.name) if card.origin == "demo" else local.read(card)


def column_names(location: str) -> list[str]:
    """Return the columns of a folder's train file."""
    paths = files.find_train(Path(location).expanduser())
    return list(read_table(paths).rows.columns)


def facts(card: TaskCard, splits: Mapping[str, pd.DataFrame] | None) -> dict[str, str]:
    """Return columns, metrics and source of a task, and its sizes or labels."""
    found = {
        "Columns": f"{' and '.join(card.text)} → {label_words(card)}",
        "Metrics": ", ".join(METRICS[name].title for name in card.metrics),
        "Source": card.source,
        "Selection split": selection_words(card),
    }
    if reading_words(card):
        found["Read as"] = "; ".join(reading_words(card))
    if splits is None:
        return found | {"Labels": ", ".join(card.labels) or "a number"}
    return found | {"Rows": ", ".join(f"{len(rows):,} {name}" for name, rows in splits.items())}


def selection_words(card: TaskCard) -> str:
    """Return in words how the selection split of a task is drawn."""
    if card.group_column:
        return f"whole groups of equal {card.group_column}"
    return (
        "whole groups of texts that contain one another or are shared"
        if card.groups
        else "row by row"
    )


def reading_words(card: TaskCard) -> list[str]:
    """Return what was inferred of a folder's files, and what its validation split is."""
    words = list(card.notes)
    if card.validation_share:
        how = ", by class where there are enough" if card.kind == "classes" else ""
        words.append(
            f"no validation file: {card.validation_share:.0%} of the labelled training rows, drawn "
            f"{'in whole groups ' if card.groups else ''}with seed 0{how}, are the validation split"
        )
    return words


def sample_rows(card: TaskCard, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the first rows, with labels by name."""
    shown = rows.head(SAMPLES)
    if not card.labels:
        return shown
    return shown.assign(label=[label_text(card, label) for label in shown["label"]])


def label_table(card: TaskCard, splits: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the count of each class or label by split; of a regression, the labels' range."""
    if card.regression:
        return pd.DataFrame([_range(name, rows["label"].dropna()) for name, rows in splits.items()])
    counts = {name: _counts(label_values(rows["label"])) for name, rows in splits.items()}
    none = [(NONE, "(none of them)")] if card.multilabel else []
    unlabelled = [(UNLABELLED, "(no label)")] if card.unlabelled else []
    return pd.DataFrame(
        [
            {"label": label} | {name: counts[name][place] for name in splits}
            for place, label in [*enumerate(card.labels), *none, *unlabelled]
        ]
    )


def _counts(labels: NDArray[Any]) -> Counter[int]:
    """Count each class or label, the rows without any label, and the unlabelled ones."""
    if labels.ndim == 1:
        return Counter(labels.tolist())
    known = labels[is_labelled(labels)]
    rest = {NONE: int((known == 0).all(axis=1).sum()), UNLABELLED: len(labels) - len(known)}
    return Counter(dict(enumerate(known.sum(axis=0).astype(int).tolist())) | rest)


def label_words(card: TaskCard) -> str:
    """Return the columns of the label in words."""
    shown = card.label_columns[:SHOWN]
    more = len(card.label_columns) - len(shown)
    return " + ".join(shown) + (f" and {more} more" if more else "")


def _range(split: str, labels: pd.Series) -> dict[str, Any]:
    return {"split": split, "min": labels.min(), "mean": labels.mean(), "max": labels.max()}
