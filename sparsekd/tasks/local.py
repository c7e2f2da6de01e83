"""Tasks from a folder of the user's own files, with columns and metric inferred or given."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
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
from sparsekd.tasks.labels import Labels, is_labelled, read_labels
from sparsekd.tasks.metrics import METRICS

Names = str | tuple[str, ...] | list[str] | None


def inspect(
    folder: Path | str,
    text: Names = None,
    label: str | None = None,
    metric: Names = None,
    leak: bool = False,
) -> TaskCard:
    """Return the card of the task in a folder with files train and validation.

    Columns, labels and metric are inferred where they are not given: fractional labels mean
    regression (Pearson and Spearman), all others classes (accuracy). The first metric decides
    early stopping; a given metric also decides whether numbers are classes. Training rows without
    a label, and the rows of a file unlabelled, are texts that only a teacher's answers teach.

    Args:
        leak: Accept unlabelled texts that are validation texts.

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
    label = label or _label_column(tables)
    labels = _check(tables, texts, label, metrics)
    if not leak:
        _check_leak(tables, texts)
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
        validation=files.validation_splits(splits),
        fingerprint=fingerprint,
        unlabelled=int((~is_labelled(labels.ids["train"])).sum())
        + len(tables.get("unlabelled", ())),
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
    frames = {
        name: uniform(
            table.assign(**{card.label: labels.ids[name]}), card.text, card.label, card.regression
        )
        for name, table in tables.items()
    }
    texts = [frames[name] for name in ("train", "unlabelled") if name in frames]
    rest = {name: frames[name] for name in card.validation}
    return {"train": pd.concat(texts, ignore_index=True)} | rest


def _label_column(tables: dict[str, pd.DataFrame]) -> str:
    """Infer the label column from the training file, or from validation where it has none."""
    known = {name: [str(column) for column in table.columns] for name, table in tables.items()}
    try:
        return label_column(known["train"])
    except BadInput:
        rest = [name for name in files.validation_splits(known)]
        return label_column(known[rest[0]])


def _check_leak(tables: dict[str, pd.DataFrame], texts: tuple[str, ...]) -> None:
    """Refuse validation texts among the unlabelled ones: a student would train on them."""
    if "unlabelled" not in tables:
        return
    known = set(tables["unlabelled"][list(texts)].itertuples(index=False, name=None))
    for name in files.validation_splits(tables):
        rows = tables[name][list(texts)].itertuples(index=False, name=None)
        found = sum(row in known for row in rows)
        if found:
            raise BadInput(
                f"{found} of {len(tables[name])} {name} texts are also in the unlabelled file: the "
                "teacher's answers to them would leak into the student.",
                "Remove them from the unlabelled file, or accept the leak (--leak).",
            )


def _check(
    tables: dict[str, pd.DataFrame],
    texts: tuple[str, ...],
    label: str,
    metrics: tuple[str, ...],
) -> Labels:
    for name, table in tables.items():
        where = f"The {name} file"
        needed = (*texts, label) if name in files.validation_splits(tables) else texts
        check_columns(list(table.columns), needed, where)
        check_texts(table, texts, where)
    regression = METRICS[metrics[0]].regression if metrics else None
    nothing = {name: pd.Series(np.nan, index=table.index) for name, table in tables.items()}
    columns = {
        name: table[label] if label in table and name != "unlabelled" else nothing[name]
        for name, table in tables.items()
    }
    return read_labels(columns, regression)


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
