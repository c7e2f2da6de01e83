"""Tasks from a folder of the user's own files, with columns and metric inferred or given."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from sparsekd.errors import BadInput, Incompatible, NotFound, unknown
from sparsekd.tasks import files
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.columns import (
    check_columns,
    check_texts,
    label_column,
    text_columns,
    uniform,
)
from sparsekd.tasks.labels import Labels, read_labels
from sparsekd.tasks.metrics import METRICS

Names = str | tuple[str, ...] | list[str] | None


def inspect(
    folder: Path | str, text: Names = None, label: str | None = None, metric: Names = None
) -> TaskCard:
    """Return the card of the task in a folder with files train and validation.

    Columns, labels and metric are inferred where they are not given: fractional labels mean
    regression (Pearson and Spearman), all others classes (accuracy). The first metric decides
    early stopping; a given metric also decides whether numbers are classes.

    Raises:
        SparseKDError: missing or unusable files; the message has file, row and reason.
    """
    place = _place(folder)
    splits = files.find(place)
    fingerprint = files.fingerprint(splits)
    metrics = _metrics(metric)
    tables = {name: files.read_table(paths) for name, paths in splits.items()}
    columns = [str(name) for name in tables["train"].columns]
    texts = _tuple(text) or text_columns([name for name in columns if name != label])
    if len(texts) > 2:
        raise BadInput(f"There are {len(texts)} text columns.", "Choose one, or two for a pair.")
    label = label or label_column(columns)
    labels = _check(tables, texts, label, metrics)
    card = TaskCard(
        name="",
        title=place.name,
        source=str(place),
        origin="folder",
        location=str(place),
        text=texts,
        label=label,
        labels=labels.names,
        metrics=metrics or (("accuracy",) if labels.names else ("pearson", "spearman")),
        validation=tuple(sorted(name for name in splits if name != "train")),
        fingerprint=fingerprint,
    )
    return replace(card, name=_name(card))


def _place(folder: Path | str) -> Path:
    try:
        return Path(folder).expanduser().absolute()
    except RuntimeError as error:
        raise NotFound(
            f"There is no folder {folder}: {error}", "Write its path in full."
        ) from error


def read(card: TaskCard) -> dict[str, pd.DataFrame]:
    """Read the frames of a card from `inspect`, with the columns text, (pair) and label.

    Raises:
        Incompatible: the files have changed since.
    """
    splits = files.find(card.folder)
    if files.fingerprint(splits) != card.fingerprint:
        raise Incompatible(
            f"The files in {card.location} have changed since {card.name} was registered.",
            "Register the folder again, as a new task.",
        )
    tables = {name: files.read_table(paths) for name, paths in splits.items()}
    labels = _check(tables, card.text, card.label, card.metrics)
    return {
        name: uniform(
            table.assign(**{card.label: labels.ids[name]}), card.text, card.label, card.regression
        )
        for name, table in tables.items()
    }


def _check(
    tables: dict[str, pd.DataFrame],
    texts: tuple[str, ...],
    label: str,
    metrics: tuple[str, ...],
) -> Labels:
    for name, table in tables.items():
        where = f"The {name} file"
        check_columns(list(table.columns), (*texts, label), where)
        check_texts(table, texts, where)
    regression = METRICS[metrics[0]].regression if metrics else None
    return read_labels({name: table[label] for name, table in tables.items()}, regression)


def _metrics(metric: Names) -> tuple[str, ...]:
    names = _tuple(metric)
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    if len({METRICS[name].regression for name in names}) > 1:
        raise Incompatible(
            f"{' and '.join(names)} cannot be combined.",
            "Correlations are for regression, the other metrics for classification.",
        )
    return names


def _tuple(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _name(card: TaskCard) -> str:
    """Return local/<folder>-<hash>: the same data with the same settings has the same name."""
    identity = [card.fingerprint, card.text, card.label, card.labels, card.metrics]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    folder = re.sub(r"[^a-z0-9]+", "-", card.folder.name.lower()).strip("-")[:40] or "task"
    return f"local/{folder}-{digest}"
