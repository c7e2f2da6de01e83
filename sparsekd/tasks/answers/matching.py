"""Find a file's answers for the texts that a student is trained on, by their row or their text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import BadInput
from sparsekd.tasks.answers import layout, values
from sparsekd.tasks.answers.chunks import RowChunks, open_file
from sparsekd.tasks.answers.layout import Layout
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.predictions import probabilities

AGREES = 1e-3
"""How far two answers for one text may differ, in a probability or relative to a number."""
CARVED = ("train", "selection")
"""Splits whose rows are counted in the file train."""
Logits = NDArray[np.float32]


def check(path: Path, card: TaskCard) -> Layout:
    """Return how a file says its answers for a task, read from its columns alone.

    Raises:
        NotFound, BadInput: it has none, or neither texts nor row numbers.
    """
    with open_file(path) as rows:
        _keys(rows, card)
        return layout.find(rows.columns, card, rows.name)


def logits_for(path: Path, card: TaskCard, wanted: pd.DataFrame) -> Logits:
    """Return the logits of these texts from a file of answers, which may have others as well.

    The file is read chunk by chunk. Where it has row numbers they name the texts, counted from 0 in
    the task's file of training data; texts beside them must be the same.

    Args:
        wanted: Columns text, (pair) and row.

    Shapes: -> (N, C), N here the number of wanted texts.

    Raises:
        BadInput: an answer is missing, or wrong (see `values.logits_of`), or two for one text
            contradict each other, or row and text do.
    """
    with open_file(path) as rows:
        keys = _keys(rows, card)
        how = layout.find(rows.columns, card, rows.name)
        search = _Search(card, wanted, rows.name, by_row="row" in keys)
        read = 0
        for frame in rows.read(list(dict.fromkeys([*keys, *how.columns]))):
            found = values.logits_of(frame, how, card, rows.name, read + 1)
            search.add(frame, found, read + 1)
            read += len(frame)
    return search.result(read)


def _keys(rows: RowChunks, card: TaskCard) -> tuple[str, ...]:
    """Return the columns that say which text an answer is for.

    Raises:
        BadInput: there are none.
    """
    texts = _texts(rows.columns, card)
    numbers = tuple(name for name in ("row", "split") if name in rows.columns)
    if "row" in numbers:
        return (*numbers, *texts)
    if not texts:
        raise BadInput(
            f"{rows.name} does not say which texts its answers are for.",
            f"Add the column{'s' if card.pair else ''} {' and '.join(card.text)}.",
        )
    return texts


def _texts(columns: Sequence[str], card: TaskCard) -> tuple[str, ...]:
    """Return the text columns: named as in the task, or text and pair."""
    for names in (card.text, ("text", "pair")[: len(card.text)]):
        if set(names) <= set(columns):
            return tuple(names)
    return ()


class _Search:
    """The answers found so far, one for each wanted key: a row number, or the texts."""

    def __init__(self, card: TaskCard, wanted: pd.DataFrame, name: str, by_row: bool) -> None:
        self.card, self.name, self.by_row = card, name, by_row
        self.texts = _joined(wanted, [n for n in ("text", "pair") if n in wanted])
        keys = wanted["row"].to_numpy() if by_row else self.texts
        self.codes, unique = pd.factorize(keys)
        self.index = pd.Index(unique)
        self.logits = np.zeros((len(unique), card.classes), dtype=np.float32)
        self.found = np.zeros(len(unique), dtype=bool)

    def add(self, frame: pd.DataFrame, logits: Logits, first: int) -> None:
        """Take the answers of a chunk that are wanted."""
        places = self._places(frame, first)
        rows = np.flatnonzero(places >= 0)
        kept, at = np.unique(places[rows], return_index=True)
        new = ~self.found[kept]
        self.logits[kept[new]] = logits[rows[at[new]]]
        self.found[kept] = True
        apart = self._apart(self.logits[places[rows]], logits[rows])
        if apart.any():
            row = int(rows[apart.argmax()])
            text = self.texts[int((self.codes == places[row]).argmax())]
            raise BadInput(
                f"{self.name} has two answers that contradict each other for {_short(text)}, the "
                f"second in row {row + first}.",
                "Keep one; several annotators' labels belong in one row, as labels or as label_1, "
                "label_2 ….",
            )

    def result(self, read: int) -> Logits:
        """Return the logits of all wanted texts.

        Raises:
            BadInput: some are missing.
        """
        missing = ~self.found[self.codes]
        if not missing.any():
            return self.logits[self.codes]
        task = self.card.name
        if missing.all():
            raise BadInput(
                f"None of the {read:,} rows of {self.name} is for a training text of {task}.",
                "Name the answers for this task; texts are compared letter by letter.",
            )
        first = "; ".join(_short(self.texts[place]) for place in np.flatnonzero(missing)[:3])
        raise BadInput(
            f"{self.name} has no answer for {missing.sum():,} of {len(missing):,} training texts "
            f"of {task}: {first}.",
            "Add them, or train on fewer texts.",
        )

    def _places(self, frame: pd.DataFrame, first: int) -> NDArray[np.int64]:
        """Return where each row's answer belongs, -1 where it is not wanted."""
        columns = _texts(list(frame.columns), self.card)
        texts = _joined(frame, columns) if columns else np.empty(0, dtype=object)
        if not self.by_row:
            return np.asarray(self.index.get_indexer(pd.Index(texts, dtype=object)))
        places = np.asarray(self.index.get_indexer(pd.Index(self._numbers(frame, first))))
        if "split" in frame:
            places[~frame["split"].isin(CARVED).to_numpy()] = -1
        if columns:
            self._check_texts(texts, places, first)
        return places

    def _numbers(self, frame: pd.DataFrame, first: int) -> NDArray[np.int64]:
        numbers = pd.to_numeric(frame["row"], errors="coerce").to_numpy(dtype=np.float64)
        wrong = ~(numbers == np.round(numbers))
        if wrong.any():
            place = int(wrong.argmax())
            raise BadInput(
                f"{self.name} has {frame['row'].iloc[place]!r} for a row number in row "
                f"{place + first}.",
                "Number the rows of the training data from 0, or leave out the column row.",
            )
        return numbers.astype(np.int64)

    def _check_texts(
        self, texts: NDArray[np.object_], places: NDArray[np.int64], first: int
    ) -> None:
        """Refuse rows whose number is that of another text."""
        of_code = np.empty(len(self.index), dtype=object)
        of_code[self.codes] = self.texts
        rows = np.flatnonzero(places >= 0)
        other = rows[texts[rows] != of_code[places[rows]]]
        if len(other):
            text, own = texts[other[0]], of_code[places[other[0]]]
            raise BadInput(
                f"{self.name}, row {other[0] + first}: row number and text contradict each other. "
                f"That number is {_short(own)} in {self.card.name}, here {_short(text)}.",
                "Leave out the column row, so that the texts alone count.",
            )

    def _apart(self, one: Logits, other: Logits) -> NDArray[np.bool_]:
        """Return which answers contradict each other."""
        if self.card.regression:
            apart = np.abs(one - other) > AGREES * np.maximum(1, np.abs(one))
        else:
            shares = [probabilities(self.card.kind, logits) for logits in (one, other)]
            apart = np.abs(shares[0] - shares[1]) > AGREES
        return np.asarray(apart.any(axis=1))


def _joined(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.object_]:
    """Return one value for each row: its text, or both texts of a pair."""
    if len(columns) == 1:
        return frame[columns[0]].to_numpy(dtype=object)
    joined = np.empty(len(frame), dtype=object)
    joined[:] = list(zip(*(frame[name] for name in columns), strict=True))
    return joined


def _short(text: object) -> str:
    """Return the beginning of a text, or of both texts of a pair."""
    whole = " | ".join(map(str, text)) if isinstance(text, tuple) else str(text)
    return f"“{whole[:60]}{'…' if len(whole) > 60 else ''}”"
