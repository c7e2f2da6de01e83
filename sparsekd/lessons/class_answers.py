"""The answers of a class, without names: one per visitor and step, in a database of their own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sparsekd.errors import Unavailable
from sparsekd.lessons.lesson import Question
from sparsekd.runs import store

FILE = "class.db"
BINS = 20  # of a guessed number, from its lowest to its highest value
_TABLE = (
    "CREATE TABLE IF NOT EXISTS answers (visitor TEXT, lesson TEXT, step INTEGER, answer TEXT, "
    "PRIMARY KEY (visitor, lesson, step))"
)


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    path = store.own_home() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
            connection.execute(_TABLE)
            yield connection
    except (sqlite3.Error, OSError) as error:
        words = f"The class's answers {path} cannot be used: {error}."
        raise Unavailable(words, "Move the file away, or free some space.") from error


def keep(visitor: str, lesson: str, step: int, answer: str) -> None:
    """Keep a visitor's answer to a step; a later one takes its place.

    Raises:
        Unavailable: it cannot be written.
    """
    with _database() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (visitor, lesson, step, answer)
        )


def of_step(lesson: str, step: int) -> list[str]:
    """Return the answers to a step, one per visitor."""
    with _database() as connection:
        rows = connection.execute(
            "SELECT answer FROM answers WHERE lesson = ? AND step = ?", (lesson, step)
        )
        return [str(answer) for (answer,) in rows]


def clear() -> None:
    """Delete all answers: the next class begins."""
    with _database() as connection:
        connection.execute("DELETE FROM answers")


def counts(question: Question, given: list[str]) -> dict[str, int]:
    """Return how many visitors gave each answer, in the order of a chart.

    Of a choice its text, of heads each head ("layer.head"), of a number its bin ("0.50 to 0.55");
    of several numbers the bins of each.
    """
    if question.choices:
        found = dict.fromkeys(question.choices.values(), 0)
        for answer in given:
            found[question.choices[answer]] += 1
        return found
    parts = [part for answer in given for part in answer.split("-")]
    if question.guess is None:
        return {name: parts.count(name) for name in sorted(set(parts), key=_place)}
    low, high = question.guess.low, question.guess.high
    width = (high - low) / BINS
    names = [f"{low + n * width:.3g} to {low + (n + 1) * width:.3g}" for n in range(BINS)]
    bins = dict.fromkeys(names, 0)
    for part in parts:
        place = int((float(part) - low) / width + 1e-9)
        bins[names[min(max(place, 0), BINS - 1)]] += 1
    return bins


def _place(head: str) -> tuple[int, ...]:
    return tuple(int(part) for part in head.split("."))
