"""How a file of answers says them: which columns, of which kind, for which classes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sparsekd.errors import BadInput
from sparsekd.tasks.answers.writing import LOGIT, PROBABILITY
from sparsekd.tasks.cards import TaskCard

Kind = Literal["logits", "probabilities", "labels", "values"]
LIST_COLUMNS: dict[str, Kind] = {
    "logits": "logits",
    "probabilities": "probabilities",
    "probability": "probabilities",
    "labels": "labels",
}
"""Columns with one list, or one object by label, for each row."""
NUMBERED = re.compile(r"(LABEL_)?\d+")
VOTE = re.compile(r"label_\d+")
SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Layout:
    """The columns of a file that hold its answers for a task.

    `order` has, for each column, the class that it is of, where there is a column for each class.
    With `nested` there is one column, of lists or of objects by label.
    """

    kind: Kind
    columns: tuple[str, ...]
    order: tuple[int, ...] = ()
    nested: bool = False


def find(columns: Sequence[str], card: TaskCard, name: str) -> Layout:
    """Return the columns with answers; logits count before probabilities, these before labels.

    Classes are known by their names, whatever the order of the columns. In a task with several
    labels for each text, `labels` is the list of those that apply.

    Raises:
        BadInput: there are none, or their classes are not those of the task.
    """
    if card.regression:
        return _of_regression(columns, name)
    kinds: tuple[tuple[str, Kind], ...] = ((LOGIT, "logits"), (PROBABILITY, "probabilities"))
    for prefix, kind in kinds:
        found = tuple(column for column in columns if column.startswith(prefix))
        if found:
            return Layout(kind, found, _order(found, prefix, card, name))
    for column, kind in LIST_COLUMNS.items():
        if column in columns:
            return Layout(kind, (column,), nested=True)
    if card.multilabel:
        raise BadInput(
            f"{name} has no answers for several labels: its columns are {_some(columns)}.",
            f"Add a column labels, with the list of those that apply, or {PROBABILITY}"
            f"{card.labels[0]} and so on for each label.",
        )
    votes = tuple(column for column in columns if VOTE.fullmatch(column))
    if votes or "label" in columns:
        return Layout("labels", votes or ("label",))
    raise BadInput(
        f"{name} has no answers: its columns are {_some(columns)}.",
        f"Add a column label, or {PROBABILITY}{card.labels[0]} and so on for each class.",
    )


def _of_regression(columns: Sequence[str], name: str) -> Layout:
    votes = tuple(column for column in columns if VOTE.fullmatch(column))
    for found in (("value",), ("labels",), votes, ("label",)):
        if found and set(found) <= set(columns):
            return Layout("values", found, nested=found == ("labels",))
    raise BadInput(
        f"{name} has no answers: its columns are {_some(columns)}.", "Add a column value."
    )


def _order(columns: tuple[str, ...], prefix: str, card: TaskCard, name: str) -> tuple[int, ...]:
    """Return the class of each column."""
    names = [column.removeprefix(prefix) for column in columns]
    classes = match_names(names, card)
    wanted = f"Name the columns {_some([prefix + label for label in card.labels])}."
    unnamed = [each for each in names if classes[each] is None]
    if unnamed and all(NUMBERED.fullmatch(each) for each in names):
        raise BadInput(
            f"{name} numbers its classes ({_some(columns)}), and {card.name} names them.", wanted
        )
    if unnamed:
        raise BadInput(
            f"{name} has answers for {_some(unnamed)}; {card.name} has {_some(card.labels)}.",
            wanted,
        )
    order = tuple(place for each in names if (place := classes[each]) is not None)
    missing = [label for place, label in enumerate(card.labels) if place not in order]
    if missing or len(order) > len(card.labels):
        what = f"no {prefix}{missing[0]}" if missing else "two columns for one class"
        raise BadInput(f"{name} has {what}.", wanted)
    return order


def match_names(names: Sequence[str], card: TaskCard) -> dict[str, int | None]:
    """Return the class of each name, None where there is none.

    Spaces around a name do not count; case does only where labels differ by nothing else.
    """
    exact = {label: place for place, label in enumerate(card.labels)}
    folded = {label.casefold(): place for place, label in enumerate(card.labels)}
    if len(folded) < len(exact):
        folded = {}
    return {name: exact.get(name.strip(), folded.get(name.strip().casefold())) for name in names}


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
