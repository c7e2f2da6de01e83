"""A task at a glance: facts, sample rows, and how often each label occurs."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sparsekd.tasks import demo, files, local
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import UNLABELLED
from sparsekd.tasks.metrics import METRICS
from sparsekd.tasks.predictions import label_text

SAMPLES = 5

Splits = dict[str, pd.DataFrame]


def read_splits(card: TaskCard) -> Splits | None:
    """Return a task's rows by split; None where the hub provides them when a run starts."""
    if card.origin == "hub":
        return None
    return demo.generate(card.name) if card.origin == "demo" else local.read(card)


def column_names(location: str) -> list[str]:
    """Return the columns of a folder's train file."""
    paths = files.find(Path(location).expanduser())["train"]
    return [str(name) for name in files.read_table(paths).columns]


def facts(card: TaskCard, splits: Mapping[str, pd.DataFrame] | None) -> dict[str, str]:
    """Return columns, metrics and source of a task, and its sizes or labels."""
    found = {
        "Columns": f"{' and '.join(card.text)} → {card.label}",
        "Metrics": ", ".join(METRICS[name].title for name in card.metrics),
        "Source": card.source,
    }
    if splits is None:
        return found | {"Labels": ", ".join(card.labels) or "a number"}
    return found | {"Rows": ", ".join(f"{len(rows):,} {name}" for name, rows in splits.items())}


def sample_rows(card: TaskCard, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the first rows, with labels by name."""
    shown = rows.head(SAMPLES)
    if not card.labels:
        return shown
    return shown.assign(label=[label_text(card, label) for label in shown["label"]])


def label_table(card: TaskCard, splits: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the count of each class by split; of a regression, the range of the labels."""
    if card.regression:
        return pd.DataFrame([_range(name, rows["label"].dropna()) for name, rows in splits.items()])
    counts = {name: Counter(rows["label"].tolist()) for name, rows in splits.items()}
    unlabelled = [(UNLABELLED, "(no label)")] if card.unlabelled else []
    return pd.DataFrame(
        [
            {"label": label} | {name: counts[name][place] for name in splits}
            for place, label in [*enumerate(card.labels), *unlabelled]
        ]
    )


def _range(split: str, labels: pd.Series) -> dict[str, Any]:
    return {"split": split, "min": labels.min(), "mean": labels.mean(), "max": labels.max()}
