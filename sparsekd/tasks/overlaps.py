"""Texts of the selection and validation splits that a model has read in training.

Words are compared without case and punctuation (`sparsekd.tasks.containment`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.containment import Ints, containments, distinct
from sparsekd.tasks.groups import CHANCE

LARGE = 0.05
"""The share of a split from which on its overlap with training is worth a warning."""
EXAMPLES = 3  # of each kind
KINDS = {
    "duplicates": "is a training text",
    "shared": "shares a text with a training pair",
    "contained": "stands inside a training text",
}


@dataclass(frozen=True)
class Overlap:
    """How many examples of a split overlap with the training data, each counted once.

    A duplicate is a training text (both texts of a training pair). Of the rest, a shared one has
    one text of a training pair, and of the rest of these, a contained one has a text that stands
    inside a longer training text; `short` of these texts have fewer than 4 words, which recur by
    chance. `examples` are rows of kind, text and training text.
    """

    split: str
    rows: int
    duplicates: int
    shared: int
    contained: int
    short: int
    examples: tuple[tuple[str, str, str], ...] = ()

    @property
    def share(self) -> float:
        """Return the share of the examples that overlap."""
        return (self.duplicates + self.shared + self.contained) / max(self.rows, 1)

    def to_json(self) -> dict[str, Any]:
        """Return the overlap as plain JSON values, with its share."""
        return asdict(self) | {"share": self.share}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Overlap":
        """Return the overlap that `to_json` wrote."""
        plain = {name: value for name, value in values.items() if name != "share"}
        return cls(**plain | {"examples": tuple(tuple(row) for row in plain["examples"])})


def overlaps(frames: Mapping[str, pd.DataFrame]) -> list[Overlap]:
    """Return the overlap of each split but train with the training data.

    For the selection split that is train, for the others train and selection.

    Args:
        frames: The frames of `sparsekd.data.load`: columns text and pair.
    """
    columns = [name for name in ("text", "pair") if name in frames["train"]]
    raw = [text for each in frames.values() for text in each[columns].to_numpy().ravel()]
    words, numbers = distinct(raw)
    inner, outer = containments(words)
    ends = np.cumsum([len(frame) for frame in frames.values()])[:-1]
    tables = np.split(numbers.reshape(-1, len(columns)), ends)
    splits = dict(zip(frames, tables, strict=True))
    first = np.full(len(words.lengths), -1)
    first[numbers[::-1]] = np.arange(len(raw))[::-1]
    found = []
    for name, rows in splits.items():
        if name == "train":
            continue
        parts = [splits["train"], *([] if name == "selection" else [splits.get("selection")])]
        read = np.concatenate([part for part in parts if part is not None])
        found.append(_overlap(name, rows, read, (inner, outer), words.lengths, (raw, first)))
    return found


def _overlap(
    split: str,
    rows: Ints,
    read: Ints,
    pairs: tuple[Ints, Ints],
    lengths: Ints,
    texts: tuple[list[str], Ints],
) -> Overlap:
    """Count the overlap of `rows` with the training rows `read`.

    Shapes: rows (N, columns), read (M, columns): distinct texts; pairs (P,), (P,): inner, outer.
    """
    known = np.zeros(len(lengths), dtype=bool)
    known[read] = True
    holder = np.full(len(lengths), -1)
    inner, outer = (each[known[pairs[1]]] for each in pairs)
    holder[inner] = outer
    whole = {tuple(row) for row in read.tolist()}
    duplicate = np.array([tuple(row) in whole for row in rows.tolist()], dtype=bool)
    shared = known[rows].any(axis=1) & ~duplicate
    stands = holder[rows] >= 0
    contained = stands.any(axis=1) & ~duplicate & ~shared
    short = contained & (~stands | (lengths[rows] < CHANCE)).all(axis=1)
    kinds = {"duplicates": duplicate, "shared": shared, "contained": contained}
    examples = [
        (kind, *_example(row, known, holder, texts))
        for kind, flags in kinds.items()
        for row in rows[np.flatnonzero(flags)[:EXAMPLES]]
    ]
    counts = {kind: int(flags.sum()) for kind, flags in kinds.items()}
    return Overlap(split, len(rows), **counts, short=int(short.sum()), examples=tuple(examples))


def _example(
    row: Ints, known: NDArray[np.bool_], holder: Ints, texts: tuple[list[str], Ints]
) -> tuple[str, str]:
    """Return the text of a row that overlaps, and the training text that it is or stands in."""
    raw, first = texts
    chosen = next((text for text in row if known[text]), None)
    if chosen is not None:
        return raw[first[chosen]], raw[first[chosen]]
    chosen = next(text for text in row if holder[text] >= 0)
    return raw[first[chosen]], raw[first[holder[chosen]]]


def sentence(card: TaskCard, found: list[Overlap]) -> str:
    """Return in words which splits overlap much with training; empty where none does.

    Nothing is said of demo tasks: a grammar writes alike texts for all splits.
    """
    if card.origin == "demo":
        return ""
    return " ".join(_words(card, each) for each in found if each.share >= LARGE)


def _words(card: TaskCard, found: Overlap) -> str:
    what = (
        f"{found.split} pairs share a text with a training pair"
        if card.pair
        else f"{found.split} texts stand inside a training text"
    )
    effect = (
        "choices may favour memory."
        if found.split == "selection"
        else "what is reported on them may be memory."
    )
    return f"{found.share:.1%} of the {what}: {effect}"


def table(found: list[Overlap]) -> pd.DataFrame:
    """Return one row per split: split, examples, each kind, short, share."""
    rows = [
        {
            "split": each.split,
            "examples": each.rows,
            "duplicates": each.duplicates,
            "shared": each.shared,
            "contained": each.contained,
            "short": each.short,
            "share": each.share,
        }
        for each in found
    ]
    return pd.DataFrame(rows)


def example_table(found: list[Overlap]) -> pd.DataFrame:
    """Return the examples of all splits: split, what, example, training text."""
    rows = [
        {"split": each.split, "what": KINDS[kind], "example": text, "training text": training}
        for each in found
        for kind, text, training in each.examples
    ]
    return pd.DataFrame(rows, columns=["split", "what", "example", "training text"])
