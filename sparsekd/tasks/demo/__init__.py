"""Demo tasks, written by seeded grammars: real enough to learn, small enough to watch.

Their meaning is made up; what a model needs to read it is not: scope, negation, agreement,
inclusion. A label follows from the grammar's rules, so a perfect score is possible.
"""

from functools import cache
from types import ModuleType
from typing import Any

import pandas as pd

from sparsekd.errors import unknown
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.demo import acceptability, grammar, inference, sentiment, similarity

# In a recipe: small models that have learned nothing yet, of two architectures and tokenizers.
DEMO_CHECKPOINT, DEMO_DISTILBERT = "demo:", "demo:distilbert"
DEMO_CHECKPOINTS = {DEMO_CHECKPOINT: "Demo BERT", DEMO_DISTILBERT: "Demo DistilBERT"}

SEED = 776
TRAIN = 8000
VALIDATION = 1000

GRAMMARS: dict[str, ModuleType] = {
    "demo/sentiment": sentiment,
    "demo/inference": inference,
    "demo/acceptability": acceptability,
    "demo/similarity": similarity,
}
NAMES = tuple(GRAMMARS)

_TRAINING: dict[str, Any] = {"batch_size": 32, "max_length": 64, "clip": 1.0}
# A BERT to be trained from scratch, and how ("train" holds TrainParams). No dropout, larger first
# weights than usual and a tight clip: with the usual ones, or a step size of 7e-4, it stayed at
# chance for most of its epochs.
DEMO_TEACHER: dict[str, Any] = {
    "layers": 4,
    "hidden": 128,
    "heads": 4,
    "intermediate": 256,
    "dropout": 0.0,
    "initializer_range": 0.05,
    "train": _TRAINING | {"epochs": 8, "learning_rate": 4e-4, "patience": 8},
}
# What `--checkpoint` names on a demo task. The second reads the words in pieces.
DEMO_TEACHERS: dict[str, dict[str, Any]] = {
    DEMO_CHECKPOINT: DEMO_TEACHER,
    DEMO_DISTILBERT: DEMO_TEACHER | {"layers": 3},
}
# The teacher's bottom layer and its classifier: too shallow for nested scopes.
DEMO_STUDENT: dict[str, Any] = {
    "layers": 1,
    "train": _TRAINING | {"epochs": 4, "learning_rate": 5e-4, "patience": 4},
}


def _card(
    name: str, title: str, pair: bool, labels: tuple[str, ...], metrics: tuple[str, ...]
) -> TaskCard:
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


DEMO = {
    card.name: card
    for card in (
        _card(
            "demo/sentiment",
            "Demo: does the writer like the film?",
            False,
            sentiment.LABELS,
            ("accuracy",),
        ),
        _card(
            "demo/inference",
            "Demo: does the first sentence entail the second?",
            True,
            inference.LABELS,
            ("accuracy",),
        ),
        _card(
            "demo/acceptability",
            "Demo: is the sentence grammatical?",
            False,
            acceptability.LABELS,
            ("mcc",),
        ),
        _card(
            "demo/similarity",
            "Demo: how alike are two sentences, 0 to 5?",
            True,
            (),
            ("pearson", "spearman"),
        ),
    )
}


@cache
def _rows(name: str) -> list[grammar.Row]:
    return grammar.rows(
        GRAMMARS[name].write, SEED, TRAIN + VALIDATION, balanced=not DEMO[name].regression
    )


def _find(name: str) -> list[grammar.Row]:
    if name not in GRAMMARS:
        raise unknown("demo task", name, GRAMMARS)
    return _rows(name)


def generate(name: str) -> dict[str, pd.DataFrame]:
    """The frames train and validation of a demo task: columns text, (pair) and label.

    No text stands twice, every class is as frequent as the others, and the seed is fixed.

    Raises:
        NotFound: no such demo task.
    """
    rows, regression = _find(name), DEMO[name].regression
    return {
        "train": grammar.frame(rows[:TRAIN], regression),
        "validation": grammar.frame(rows[TRAIN:], regression),
    }


def vocabulary(name: str) -> list[str]:
    """Every word and sign that the demo task uses, sorted.

    Raises:
        NotFound: no such demo task.
    """
    texts = (text for row, _ in _find(name) for text in row)
    return sorted({word for text in texts for word in grammar.words(text)})
