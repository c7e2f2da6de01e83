"""Tasks from a folder of the user's own files, with columns and metric inferred or given."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from sparsekd.errors import BadInput, Incompatible, NotFound
from sparsekd.tasks import files
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.columns import (
    check_columns,
    check_header,
    check_texts,
    label_column,
    text_columns,
    uniform,
)
from sparsekd.tasks.groups import Groups, text_groups
from sparsekd.tasks.label_columns import check_metrics, label_columns, read_label_columns
from sparsekd.tasks.labels import Labels, is_labelled
from sparsekd.tasks.metrics import DEFAULTS
from sparsekd.tasks.splits import GROUP, hold_out
from sparsekd.tasks.tables import Table, read_table

Names = str | tuple[str, ...] | list[str] | None
Paths = dict[str, list[Path]]
Tables = dict[str, Table]
MOST_HELD_OUT = 0.5


def inspect(
    folder: Path | str,
    text: Names = None,
    label: Names = None,
    metric: Names = None,
    leak: bool = False,
    groups: str = "",
    validation_share: float = 0.0,
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
        validation_share: Of the labelled training rows, the validation split; 0 where it has files.

    Raises:
        SparseKDError: missing or unusable files; the message has file, row and reason.
    """
    place = _place(folder)
    if not 0 <= validation_share <= MOST_HELD_OUT:
        raise BadInput(
            f"validation_share = {validation_share:g} is not between 0 and {MOST_HELD_OUT:g}.",
            f"A usual share is {files.SHARE:g}.",
        )
    paths = files.find(place, validation=not validation_share)
    fingerprint = files.fingerprint(paths)
    metrics = _tuple(metric)
    check_metrics(metrics)
    tables = {name: read_table(each) for name, each in paths.items()}
    named = _tuple(label)
    texts = _tuple(text)
    _check_headers(tables, paths, (*texts, *named))
    texts = texts or text_columns([n for n in tables["train"].rows.columns if n not in named])
    if len(texts) > 2:
        raise BadInput(f"There are {len(texts)} text columns.", "Choose one, or two for a pair.")
    of_label = named or (_label_column(tables, texts),)
    labels = _check(tables, texts, of_label, metrics)
    card = TaskCard(
        name="",
        title=_title(place, groups, validation_share),
        source=str(place),
        origin="folder",
        location=str(place),
        text=texts,
        label="" if len(of_label) > 1 else of_label[0],
        labels=labels.names,
        metrics=metrics or DEFAULTS[labels.kind],
        validation=files.validation_splits(paths) or ("validation",),
        fingerprint=fingerprint,
        unlabelled=int((~is_labelled(labels.ids["train"])).sum())
        + (len(tables["unlabelled"].rows) if "unlabelled" in tables else 0),
        multilabel=labels.kind == "labels",
        groups=groups,
        validation_share=validation_share,
        notes=(*_notes(tables, paths), *labels.notes),
    )
    if card.group_column:
        check_columns(list(tables["train"].rows.columns), (card.group_column,), "The train file")
    if not leak and "unlabelled" in tables:
        _check_leak(tables["unlabelled"].rows[list(texts)], _frames(card, tables, labels))
    return replace(card, name=_name(card))


def with_groups(card: TaskCard, groups: str) -> TaskCard:
    """Return the task of the same files with another selection split, under its own name."""
    found = replace(card, groups=groups, title=_title(card.folder, groups, card.validation_share))
    return replace(found, name=_name(found))


def _place(folder: Path | str) -> Path:
    try:
        return Path(folder).expanduser().absolute()
    except RuntimeError as error:
        raise NotFound(
            f"There is no folder {folder}: {error}", "Write its path in full."
        ) from error


def read(
    card: TaskCard, find_groups: Callable[[pd.DataFrame], Groups] = text_groups
) -> dict[str, pd.DataFrame]:
    """Read the frames of a card from `inspect`, with the columns text, (pair) and label.

    Their index counts the rows of each file; those of the unlabelled one follow on train's.

    Raises:
        Incompatible: the files have changed since.
    """
    paths = files.find(card.folder, validation=not card.validation_share)
    if files.fingerprint(paths) != card.fingerprint:
        raise Incompatible(
            f"The files in {card.location} have changed since {card.name} was registered.",
            "Register the folder again, as a new task.",
        )
    tables = {name: read_table(each) for name, each in paths.items()}
    labels = _check(tables, card.text, card.label_columns, card.metrics)
    return _frames(card, tables, labels, find_groups)


def _frames(
    card: TaskCard,
    tables: Tables,
    labels: Labels,
    find_groups: Callable[[pd.DataFrame], Groups] = text_groups,
) -> dict[str, pd.DataFrame]:
    frames = {
        name: uniform(table.rows, card.text, labels.ids[name]) for name, table in tables.items()
    }
    if card.group_column:
        frames["train"][GROUP] = tables["train"].rows[card.group_column]
    texts = [frames[name] for name in ("train", "unlabelled") if name in frames]
    train = pd.concat(texts, ignore_index=True)
    if card.validation_share:
        train, held_out = hold_out(train, card, find_groups)
        return {"train": train, "validation": held_out}
    return {"train": train} | {name: frames[name] for name in card.validation}


def read_test(card: TaskCard, split: str) -> pd.DataFrame:
    """Read a test split of a card's folder, which no run reads, with the columns of `read`.

    Raises:
        NotFound: there is no such file; BadInput: it has no labels, or other ones.
    """
    found = files.find_test(card.folder)
    if split not in found:
        raise NotFound(
            f"{card.location} has no {split} file.", "Name one of the splits, or add this file."
        )
    paths = files.find(card.folder, validation=not card.validation_share) | {split: found[split]}
    tables = {name: read_table(each) for name, each in paths.items()}
    if not set(card.label_columns) <= set(tables[split].rows.columns):
        raise BadInput(
            f"{found[split][0].name} has no labels: it lacks the column{'s' * (not card.label)} "
            f"{', '.join(card.label_columns)}.",
            "Use predict for texts without labels.",
        )
    labels = _check(tables, card.text, card.label_columns, card.metrics)
    if labels.names != card.labels:
        raise BadInput(
            f"{found[split][0].name} has other labels than {card.name}.", "Correct its labels."
        )
    return uniform(tables[split].rows, card.text, labels.ids[split])


def _check_headers(tables: Tables, paths: Paths, named: tuple[str, ...]) -> None:
    """Refuse csv and tsv files whose first line has no names of columns."""
    for name, table in tables.items():
        if files.kind_of(paths[name][0]) in ("csv", "tsv"):
            check_header(table.rows, named, paths[name][0].name)


def _notes(tables: Tables, paths: Paths) -> tuple[str, ...]:
    """Return how files were read, equal ones together."""
    notes: dict[str, list[str]] = {}
    for name, table in tables.items():
        for note in table.notes:
            notes.setdefault(note, []).append(paths[name][0].name)
    return tuple(f"{', '.join(names)}: {note}" for note, names in notes.items())


def _label_column(tables: Tables, texts: tuple[str, ...]) -> str:
    """Infer the label column from the training file, or from validation where it has none."""
    try:
        return label_column(tables["train"].rows, texts)
    except BadInput:
        rest = files.validation_splits(tables)
        if not rest:
            raise
        return label_column(tables[rest[0]].rows, texts)


def _check_leak(unlabelled: pd.DataFrame, frames: dict[str, pd.DataFrame]) -> None:
    """Refuse validation texts among the unlabelled ones: a student would train on them."""
    known = set(unlabelled.itertuples(index=False, name=None))
    for name in files.validation_splits(frames):
        texts = frames[name].drop(columns="label")
        found = sum(row in known for row in texts.itertuples(index=False, name=None))
        if found:
            raise BadInput(
                f"{found} of {len(texts)} {name} texts are also in the unlabelled "
                "file: the teacher's answers to them would leak into the student.",
                "Remove them from the unlabelled file, or accept the leak (--leak).",
            )


def _check(
    tables: Tables, texts: tuple[str, ...], labels: tuple[str, ...], metrics: tuple[str, ...]
) -> Labels:
    for name, table in tables.items():
        where = f"The {name} file"
        needed = texts if name in ("train", "unlabelled") else (*texts, *labels)
        check_columns(list(table.rows.columns), needed, where)
        _check_gaps(table, texts if name == "unlabelled" else (*texts, *labels))
        check_texts(table.rows, texts, where)
    train_first = sorted(tables, key=lambda name: name != "train")
    return read_label_columns(
        {name: label_columns(tables[name].rows, labels, name) for name in train_first}, metrics
    )


def _check_gaps(table: Table, columns: tuple[str, ...]) -> None:
    """Refuse objects that lack a text or a label; other keys may be missing."""
    for name in columns:
        if name in table.gaps:
            raise BadInput(
                f"{table.gaps[name]} has no key {name!r}.",
                "Give each object its text and label; null is the label of an unlabelled text.",
            )


def _tuple(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _title(folder: Path, groups: str, share: float) -> str:
    more = ["selection split by groups"] if groups else []
    more += [f"{share:.0%} of train for validation"] if share else []
    return f"{folder.name} ({', '.join(more)})" if more else folder.name


def _name(card: TaskCard) -> str:
    """Return local/<folder>-<hash>: the same data with the same settings has the same name."""
    identity = [card.fingerprint, card.text, card.label, card.labels, card.metrics]
    identity += [card.groups] if card.groups else []
    identity += [card.validation_share] if card.validation_share else []
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    folder = re.sub(r"[^a-z0-9]+", "-", card.folder.name.lower()).strip("-")[:40] or "task"
    return f"local/{folder}-{digest}"
