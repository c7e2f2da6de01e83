"""Tools for demo grammars: the card, seeded choices, rows without repeats, words."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from sparsekd.errors import BadInput
from sparsekd.tasks.cards import Kind, TaskCard
from sparsekd.tasks.columns import label_column_of

Option = TypeVar("Option")
Flags = tuple[int, ...]
Row = tuple[tuple[str, ...], float | int | Flags]
"""The texts, and the label: a class, a number, or 1 or 0 for each of several labels."""

TRIES = 60  # per row that is needed


def demo_card(
    name: str,
    title: str,
    labels: tuple[str, ...],
    metrics: tuple[str, ...],
    pair: bool = False,
    multilabel: bool = False,
) -> TaskCard:
    """Return the card of a demo task; no labels mean regression."""
    return TaskCard(
        name=name,
        title=title,
        source="A grammar of this project; its sentences are made up.",
        origin="demo",
        location=name,
        text=("text", "pair") if pair else ("text",),
        label="label",
        labels=labels,
        metrics=metrics,
        multilabel=multilabel,
    )


class Chooser:
    """Seeded choices: the same seed writes the same sentences on every machine."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, options: Sequence[Option]) -> Option:
        """Return one of the options, all equally likely."""
        return options[int(self.random.random() * len(options))]

    def two(self, options: Sequence[Option]) -> tuple[Option, Option]:
        """Return two different options."""
        first = int(self.random.random() * len(options))
        second = (first + 1 + int(self.random.random() * (len(options) - 1))) % len(options)
        return options[first], options[second]

    def chance(self, share: float) -> bool:
        """Return True with this probability."""
        return self.random.random() < share


def rows(write: Callable[[Chooser], Row], card: TaskCard, seed: int, count: int) -> list[Row]:
    """Write `count` rows with distinct texts; classes are equally frequent, labels are as written.

    Raises:
        BadInput: the grammar writes too few distinct texts, or rows that do not fit the card.
    """
    chooser, seen, sizes = Chooser(seed), set(), Counter[float | Flags]()
    balanced = card.kind == "classes"
    for _ in range(TRIES):
        _check(write(chooser), card)
    most = -(-count // card.classes)
    found: list[Row] = []
    for _ in range(TRIES * count):
        row = write(chooser)
        if row[0] in seen or (balanced and sizes[row[1]] >= most):
            continue
        _check(row, card)
        seen.add(row[0])
        sizes[row[1]] += 1
        found.append(row)
        if len(found) == count:
            chooser.random.shuffle(found)
            return found
    raise _too_small(card, sizes, count)


def _check(row: Row, card: TaskCard) -> None:
    texts, label = row
    if not isinstance(texts, tuple) or len(texts) != len(card.text):
        raise BadInput(
            f"The grammar of {card.name} writes the texts {texts!r}.",
            f"A row is (texts, label), with a tuple of {len(card.text)} text(s).",
        )
    if card.multilabel and not (
        isinstance(label, tuple) and len(label) == card.classes and set(label) <= {0, 1}
    ):
        raise BadInput(
            f"The grammar of {card.name} writes the label {label!r}.",
            f"A label is a tuple with 1 or 0 for each of the card's {card.classes} labels.",
        )
    if card.kind == "classes" and label not in range(card.classes):
        raise BadInput(
            f"The grammar of {card.name} writes the label {label!r}.",
            f"A label is an index into the card's labels: 0 to {card.classes - 1}.",
        )


def _too_small(card: TaskCard, sizes: Counter[float | Flags], count: int) -> BadInput:
    most = -(-count // card.classes)
    if card.kind != "classes":
        few, each = f"{sizes.total():,} distinct texts", ""
    else:
        short = [
            f"{sizes[place]:,} distinct texts of class {label!r}"
            for place, label in enumerate(card.labels)
            if sizes[place] < most
        ]
        few, each = " and ".join(short), f", {most:,} of each class"
    return BadInput(
        f"The grammar of {card.name} writes only {few}.",
        f"Give it more words or sentence forms: {count:,} distinct texts are needed{each}.",
    )


def frame(found: Sequence[Row], kind: Kind) -> pd.DataFrame:
    """Return rows as the columns text, (pair) and label."""
    names = ("text", "pair")[: len(found[0][0])]
    columns = {name: [texts[place] for texts, _ in found] for place, name in enumerate(names)}
    labels = np.array([label for _, label in found], "int64" if kind == "classes" else "float32")
    return pd.DataFrame(columns).assign(label=label_column_of(labels))


def words(text: str) -> list[str]:
    """Split a text into words and punctuation in lower case, as the demo tokenizer does."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def sentence(text: str) -> str:
    """Capitalise the text and add a full stop."""
    return text[0].upper() + text[1:] + "."
