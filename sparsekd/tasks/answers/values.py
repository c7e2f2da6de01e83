"""Answers of a chunk of rows as logits: from logits, probabilities, labels or several labels.

A label is a distribution with all its mass on one class, several annotators' labels are one with
the shares of their votes. The logits of a distribution p are log max(p, FLOOR), whose softmax at
T = 1 is p again. With several labels for each text each has a probability of its own, 0 or 1 where
an answer lists those that apply; its logit is log p − log (1 − p), with the same floor.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import BadInput
from sparsekd.tasks.answers.layout import NUMBERED, Layout, match_names
from sparsekd.tasks.cards import TaskCard

FLOOR = 1e-8
"""Below the resolution of float32 at 1, so that softmax gives every probability back; not lower,
since a temperature then softens a hard label, and one wrong zero costs 18 nats at most."""
TOLERANCE = 0.01
"""How far the probabilities of a row may be from 1 in all: they may be rounded."""
Values = NDArray[np.float64]


def logits_of(
    frame: pd.DataFrame, layout: Layout, card: TaskCard, name: str, first: int
) -> NDArray[np.float32]:
    """Return the logits that a chunk's answers mean; of a regression, the values.

    Args:
        name: The file, for errors.
        first: The number of the chunk's first row, from 1.

    Shapes: -> (N, C), N here the rows of the chunk.

    Raises:
        BadInput: a row has no answer, an unknown label, or numbers that are no probabilities.
    """
    reader = _Reader(frame, layout, card, name, first)
    if layout.kind == "values":
        return reader.means()
    if layout.kind == "labels":
        return _log_odds(reader.flags()) if card.multilabel else _log(reader.shares_of_labels())
    numbers = reader.numbers()
    if layout.kind == "logits":
        reader.refuse(~np.isfinite(numbers).all(axis=1), "a logit that is not finite")
        return numbers.astype(np.float32)
    reader.refuse(~np.isfinite(numbers).all(axis=1), "a probability that is no number")
    reader.refuse((numbers < 0).any(axis=1), "a negative probability")
    if card.multilabel:
        reader.refuse((numbers > 1).any(axis=1), "a probability above 1")
        return _log_odds(numbers)
    sums = numbers.sum(axis=1)
    off = np.abs(sums - 1) > TOLERANCE + 1e-9
    place = int(off.argmax()) if off.any() else 0
    reader.refuse(off, f"probabilities that sum to {sums[place]:.4g}" if len(sums) else "")
    return _log(numbers)


def _log(shares: Values) -> NDArray[np.float32]:
    logs: NDArray[np.float32] = np.log(np.maximum(shares, FLOOR)).astype(np.float32)
    return logs


def _log_odds(shares: Values) -> NDArray[np.float32]:
    odds = np.log(np.maximum(shares, FLOOR)) - np.log(np.maximum(1 - shares, FLOOR))
    return np.asarray(odds, dtype=np.float32)


class _Reader:
    """The answers of one chunk, and the errors that name its rows."""

    def __init__(
        self, frame: pd.DataFrame, layout: Layout, card: TaskCard, name: str, first: int
    ) -> None:
        self.frame, self.layout, self.card = frame, layout, card
        self.name, self.first = name, first

    def refuse(self, wrong: Any, what: str, hint: str = "") -> None:
        """Refuse rows by their numbers.

        Raises:
            BadInput: any of them is wrong.

        Shapes: wrong (N,), booleans.
        """
        if np.any(wrong):
            places = np.flatnonzero(wrong)
            more = f" and {len(places) - 1:,} more" if len(places) > 1 else ""
            raise BadInput(
                f"{self.name} has {what} in row {places[0] + self.first}{more}.",
                hint or "Correct these rows, or leave them out.",
            )

    def numbers(self) -> Values:
        """Return the numbers of all classes, in the task's order.

        Shapes: -> (N, C).
        """
        if self.layout.nested:
            rows = [self._by_class(each) for each in self._nested()]
            return np.array(rows, dtype=np.float64).reshape(len(rows), self.card.classes)
        found = np.empty((len(self.frame), self.card.classes))
        for column, place in zip(self.layout.columns, self.layout.order, strict=True):
            found[:, place] = self._floats(self.frame[column])
        return found

    def means(self) -> NDArray[np.float32]:
        """Return the mean number of each row.

        Shapes: -> (N, 1).
        """
        if self.layout.nested:
            lists = self._nested()
            self.refuse(np.array([not len(each) for each in lists], dtype=bool), "no answer")
            means = np.array([np.mean([float(one) for one in each]) for each in lists])
        else:
            columns = [self._floats(self.frame[name]) for name in self.layout.columns]
            given = np.stack(columns, axis=1)
            self.refuse(np.isnan(given).all(axis=1), "no number")
            means = np.nanmean(given, axis=1)
        self.refuse(~np.isfinite(means), "a value that is not finite")
        return means.astype(np.float32)[:, None]

    def flags(self) -> Values:
        """Return 1 for each label that a row lists; an empty list is an answer.

        Shapes: -> (N, C).
        """
        votes = np.zeros((len(self.frame), self.card.classes))
        column = self.frame[self.layout.columns[0]]
        empty = [value is None or _word(value) == "" for value in column]
        self.refuse(np.array(empty, dtype=bool), "no answer", "Write [] where no label applies.")
        lists = self._nested()
        rows = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
        words = [_word(one) for each in lists for one in each]
        self.refuse(_marked([not word for word in words], rows, votes), "a label without a name")
        self._count(votes, rows, words)
        self.refuse((votes > 1).any(axis=1), "one label twice")
        return votes

    def shares_of_labels(self) -> Values:
        """Return the share of each class among the labels of each row.

        Shapes: -> (N, C).
        """
        votes = np.zeros((len(self.frame), self.card.classes))
        if self.layout.nested:
            lists = self._nested()
            rows = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
            self._count(votes, rows, [_word(one) for each in lists for one in each])
        else:
            for column in self.layout.columns:
                words = [_word(each) for each in self.frame[column]]
                self._count(votes, np.arange(len(words)), words)
        totals = votes.sum(axis=1, keepdims=True)
        self.refuse(totals[:, 0] == 0, "an empty answer")
        shares: Values = votes / totals
        return shares

    def _count(self, votes: Values, rows: NDArray[np.int64], words: list[str]) -> None:
        """Add the votes of some rows; an empty one counts nothing."""
        codes, names = pd.factorize(np.asarray(words, dtype=object))
        known = match_names([str(each) for each in names], self.card)
        classes = np.array([-1 if (place := known[str(n)]) is None else place for n in names])
        empty = np.array([not str(each) for each in names], dtype=bool)
        if len(words):
            unknown = (classes < 0) & ~empty
            if unknown.any():
                self._refuse_labels([str(n) for n in names[unknown]], rows[unknown[codes]])
            given = ~empty[codes]
            np.add.at(votes, (rows[given], classes[codes][given]), 1)

    def _refuse_labels(self, labels: Sequence[str], rows: NDArray[np.int64]) -> None:
        """Refuse labels that the task lacks."""
        shown = ", ".join(repr(each if len(each) <= 40 else f"{each[:40]}…") for each in labels[:3])
        more = f" and {len(labels) - 3:,} others" if len(labels) > 3 else ""
        numbers = all(NUMBERED.fullmatch(each) for each in labels)
        raise BadInput(
            f"{self.name} has labels that {self.card.name} lacks, first in row "
            f"{rows[0] + self.first}: {shown}{more}. It has {', '.join(self.card.labels[:5])}.",
            "Write the names of the classes, not their numbers."
            if numbers
            else "Correct these labels, or leave the rows out.",
        )

    def _floats(self, column: pd.Series) -> Values:
        """Return a column of numbers, which text files have as text; what is empty is NaN."""
        found = pd.to_numeric(column.replace("", None), errors="coerce")
        numbers = found.to_numpy(dtype=np.float64, na_value=np.nan)
        words = column.map(lambda each: isinstance(each, str) and bool(each.strip()))
        wrong = np.isnan(numbers) & words.to_numpy(dtype=bool)
        odd = column.iloc[int(wrong.argmax())] if wrong.any() else ""
        if str(odd).strip().lower() != "nan":
            self.refuse(wrong, f"{odd!r} in place of a number")
        return numbers

    def _nested(self) -> list[Any]:
        """Return lists or objects, which csv has as JSON; nothing is an empty list."""
        column = self.frame[self.layout.columns[0]]
        return [self._parsed(place, each) for place, each in enumerate(column)]

    def _parsed(self, place: int, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = json.loads(value) if value.strip() else []
            except ValueError:
                value = None
        if isinstance(value, np.ndarray | list | tuple | dict):
            return value
        raise BadInput(
            f"{self.name} has no list in its column {self.layout.columns[0]} in row "
            f"{place + self.first}.",
            "Write a list, or an object by label, in each row.",
        )

    def _by_class(self, value: Any) -> list[float]:
        """Return one row's numbers in the order of the classes.

        A list has no names: only a task whose labels are the numbers 0, 1 … can read it.
        """
        labels = self.card.labels
        if not isinstance(value, dict):
            if labels != tuple(map(str, range(len(labels)))):
                raise BadInput(
                    f"{self.name} lists numbers without the names of their classes.",
                    f'Write an object by label, such as {{"{labels[0]}": 0.9, …}}, or a column '
                    "for each class.",
                )
            value = {str(place): each for place, each in enumerate(value)}
        classes = match_names(list(map(str, value)), self.card)
        wrong = [name for name, place in classes.items() if place is None]
        if wrong or len(set(classes.values())) < len(labels):
            what = f"the class {wrong[0]!r}" if wrong else "too few classes"
            raise BadInput(
                f"{self.name} has {what} in its column {self.layout.columns[0]}; {self.card.name} "
                f"has {', '.join(labels[:5])}.",
                "Give every class its number.",
            )
        given = {classes[str(name)]: each for name, each in value.items()}
        return [np.nan if given[n] is None else float(given[n]) for n in range(len(labels))]


def _marked(wrong: list[bool], rows: NDArray[np.int64], like: Values) -> NDArray[np.bool_]:
    """Return the rows that have something wrong. Shapes: wrong, rows (K,), like (N, C) -> (N,)."""
    found = np.zeros(len(like), dtype=bool)
    found[rows[np.array(wrong, dtype=bool)]] = True
    return found


def _word(value: Any) -> str:
    """Return a label as text; nothing for what is missing, 1 for 1.0."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
