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
from sparsekd.tasks.label_sets import check_kind, holds_lists, read_indicators, read_lists
from sparsekd.tasks.labels import Labels, is_labelled, read_labels
from sparsekd.tasks.metrics import DEFAULTS, METRICS
from sparsekd.tasks.splits import GROUP

Names = str | tuple[str, ...] | list[str] | None


def inspect(
    folder: Path | str,
    text: Names = None,
    label: Names = None,
    metric: Names = None,
    leak: bool = False,
    groups: str = "",
) -> TaskCard:
    """Return the card of the task in a folder with files train and validation.

    Columns, labels and metric are inferred where they are not given: fractional labels mean
    regression (Pearson and Spearman), lists several labels for each text (micro F1), all others
    classes (accuracy). The first metric decides early stopping; a given metric also decides whether
    numbers are classes. Training rows without a label, and the rows of a file unlabelled, are texts
    that only a teacher's answers teach.

    Args:
        label: The column of the label; or several, with 0 and 1, one for each of several labels.
        leak: Accept unlabelled texts that are validation texts.
        groups: What the selection split keeps together, see `TaskCard`.

    Raises:
        SparseKDError: missing or unusable files; the message has file, row and reason.
    """
    place = _place(folder)
    splits = files.find(place)
    fingerprint = files.fingerprint(splits)
    metrics = _metrics(metric)
    tables = {name: files.read_table(paths) for name, paths in splits.items()}
    columns = [str(name) for name in tables["train"].columns]
    named = _tuple(label)
    texts = _tuple(text) or text_columns([name for name in columns if name not in named])
    if len(texts) > 2:
        raise BadInput(f"There are {len(texts)} text columns.", "Choose one, or two for a pair.")
    label_columns = named or (_label_column(tables),)
    labels = _check(tables, texts, label_columns, metrics)
    if not leak:
        _check_leak(tables, texts)
    card = TaskCard(
        name="",
        title=_title(place, groups),
        source=str(place),
        origin="folder",
        location=str(place),
        text=texts,
        label="" if len(label_columns) > 1 else label_columns[0],
        labels=labels.names,
        metrics=metrics or DEFAULTS[labels.kind],
        validation=files.validation_splits(splits),
        fingerprint=fingerprint,
        unlabelled=int((~is_labelled(labels.ids["train"])).sum())
        + len(tables.get("unlabelled", ())),
        multilabel=labels.kind == "labels",
        groups=groups,
    )
    if card.group_column:
        check_columns(columns, (card.group_column,), "The train file")
    return replace(card, name=_name(card))


def with_groups(card: TaskCard, groups: str) -> TaskCard:
    """Return the task of the same files with another selection split, under its own name."""
    found = replace(card, groups=groups, title=_title(card.folder, groups))
    return replace(found, name=_name(found))


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
    labels = _check(tables, card.text, card.label_columns, card.metrics)
    frames = {name: uniform(table, card.text, labels.ids[name]) for name, table in tables.items()}
    if card.group_column:
        frames["train"][GROUP] = tables["train"][card.group_column]
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
    labels: tuple[str, ...],
    metrics: tuple[str, ...],
) -> Labels:
    for name, table in tables.items():
        where = f"The {name} file"
        needed = (*texts, *labels) if name in files.validation_splits(tables) else texts
        check_columns(list(table.columns), needed, where)
        check_texts(table, texts, where)
    train_first = sorted(tables, key=lambda name: name != "train")
    return _read_labels(
        {name: _label_columns(tables[name], labels, name) for name in train_first}, metrics
    )


def _label_columns(table: pd.DataFrame, labels: tuple[str, ...], name: str) -> pd.DataFrame:
    """Return the label columns of a file; they are empty where it has none."""
    known = [label for label in labels if label in table and name != "unlabelled"]
    if known and len(known) < len(labels):
        check_columns(list(table.columns), labels, f"The {name} file")
    if known:
        return table[list(labels)]
    return pd.DataFrame(np.nan, index=table.index, columns=list(labels), dtype=object)


def _read_labels(columns: dict[str, pd.DataFrame], metrics: tuple[str, ...]) -> Labels:
    """Read one column of classes, numbers or lists, or several of 0 and 1."""
    kinds = _kinds(metrics)
    if len(next(iter(columns.values())).columns) > 1:
        check_kind(kinds, metrics)
        return read_indicators(columns)
    single = {name: table.iloc[:, 0] for name, table in columns.items()}
    if any(holds_lists(column) for column in single.values()):
        check_kind(kinds, metrics)
        return read_lists(single)
    if kinds == {"labels"}:
        raise Incompatible(
            f"{metrics[0]} is for several labels for each text; the label column has no lists.",
            "Name the columns of the labels, each with 0 and 1, or choose another metric.",
        )
    return read_labels(single, "number" in kinds if metrics else None)


def _metrics(metric: Names) -> tuple[str, ...]:
    names = _tuple(metric)
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    if names and not _kinds(names):
        raise Incompatible(
            f"{' and '.join(names)} cannot be combined.",
            "Correlations are for regression, micro_f1 and subset_accuracy for several labels for "
            "each text, the other metrics for classes.",
        )
    return names


def _kinds(metrics: tuple[str, ...]) -> set[str]:
    """Return the kinds of label that all of these metrics are for."""
    each: list[set[str]] = [set(METRICS[name].kinds) for name in metrics]
    return set.intersection(*each) if each else set()


def _tuple(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _title(folder: Path, groups: str) -> str:
    return f"{folder.name} (selection split by groups)" if groups else folder.name


def _name(card: TaskCard) -> str:
    """Return local/<folder>-<hash>: the same data with the same settings has the same name."""
    identity = [card.fingerprint, card.text, card.label, card.labels, card.metrics]
    identity += [card.groups] if card.groups else []
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    folder = re.sub(r"[^a-z0-9]+", "-", card.folder.name.lower()).strip("-")[:40] or "task"
    return f"local/{folder}-{digest}"
