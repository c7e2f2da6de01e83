"""Demo tasks, written by seeded grammars: real enough to learn, small enough to watch.

Their content is made up; what a model needs to read it is not: scope, negation, agreement,
inclusion. A label follows from the grammar's rules, so a perfect score is possible.
"""

from functools import cache

import pandas as pd

from sparsekd.errors import unknown
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.demo import grammar
from sparsekd.tasks.demo.checkpoints import (
    DEMO_CHECKPOINT,
    DEMO_CHECKPOINTS,
    DEMO_DISTILBERT,
    DEMO_STUDENT,
    DEMO_TEACHER,
    DEMO_TEACHERS,
)
from sparsekd.tasks.demo.grammars import GRAMMARS

__all__ = [
    "DEMO",
    "DEMO_CHECKPOINT",
    "DEMO_CHECKPOINTS",
    "DEMO_DISTILBERT",
    "DEMO_STUDENT",
    "DEMO_TEACHER",
    "DEMO_TEACHERS",
    "GRAMMARS",
    "NAMES",
    "generate",
    "vocabulary",
]

SEED = 776
TRAIN = 8000
VALIDATION = 1000

DEMO: dict[str, TaskCard] = {name: module.CARD for name, module in GRAMMARS.items()}
NAMES = tuple(DEMO)


@cache
def _rows(name: str) -> list[grammar.Row]:
    return grammar.rows(GRAMMARS[name].write, DEMO[name], SEED, TRAIN + VALIDATION)


def _find(name: str) -> list[grammar.Row]:
    if name not in GRAMMARS:
        raise unknown("demo task", name, GRAMMARS)
    return _rows(name)


def generate(name: str) -> dict[str, pd.DataFrame]:
    """Return the frames train and validation of a demo task: columns text, (pair) and label.

    Texts are distinct, classes (not labels) are balanced, and the seed is fixed.

    Raises:
        NotFound: no such demo task. BadInput: its grammar is too small.
    """
    rows, kind = _find(name), DEMO[name].kind
    return {
        "train": grammar.frame(rows[:TRAIN], kind),
        "validation": grammar.frame(rows[TRAIN:], kind),
    }


def vocabulary(name: str) -> list[str]:
    """Return every word and punctuation mark of the demo task, sorted.

    Raises:
        NotFound: no such demo task.
    """
    texts = (text for row, _ in _find(name) for text in row)
    return sorted({word for text in texts for word in grammar.words(text)})
