"""Tools for demo grammars: the card, seeded choices, rows without repeats, words."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import pandas as pd

from sparsekd.tasks.cards import TaskCard

Option = TypeVar("Option")
Row = tuple[tuple[str, ...], float | int]

TRIES = 60


def demo_card(
    name: str, title: str, labels: tuple[str, ...], metrics: tuple[str, ...], pair: bool = False
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


def rows(write: Callable[[Chooser], Row], seed: int, count: int, balanced: bool) -> list[Row]:
    """Write `count` rows with distinct texts; if balanced, with equally frequent labels.

    Raises:
        RuntimeError: the grammar is too small to write that many.
    """
    chooser, seen, sizes = Chooser(seed), set(), Counter[float]()
    labels = {write(chooser)[1] for _ in range(TRIES)}
    most = -(-count // len(labels)) if balanced else count
    found: list[Row] = []
    for _ in range(TRIES * count):
        row = write(chooser)
        if row[0] in seen or sizes[row[1]] >= most:
            continue
        seen.add(row[0])
        sizes[row[1]] += 1
        found.append(row)
        if len(found) == count:
            chooser.random.shuffle(found)
            return found
    raise RuntimeError(f"This grammar writes only {len(found)} of {count} different rows.")


def frame(found: Sequence[Row], regression: bool) -> pd.DataFrame:
    """Return rows as the columns text, (pair) and label."""
    names = ("text", "pair")[: len(found[0][0])]
    columns = {name: [texts[place] for texts, _ in found] for place, name in enumerate(names)}
    kind = "float32" if regression else "int64"
    return pd.DataFrame(columns).assign(label=pd.Series([y for _, y in found], dtype=kind))


def words(text: str) -> list[str]:
    """Split a text into words and punctuation in lower case, as the demo tokenizer does."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def sentence(text: str) -> str:
    """Capitalise the text and add a full stop."""
    return text[0].upper() + text[1:] + "."
