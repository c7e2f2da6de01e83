"""Load a task's frames: train, selection and validation."""

import pandas as pd

from sparsekd.data import hub
from sparsekd.errors import unknown
from sparsekd.runs.kept_groups import kept_groups
from sparsekd.tasks import demo, local
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.columns import uniform
from sparsekd.tasks.files import TEST
from sparsekd.tasks.splits import with_selection


def load(card: TaskCard, numbered: bool = False) -> dict[str, pd.DataFrame]:
    """Load a task's data with the columns text, (pair) and label.

    Keys: train, selection (carved from the training data) and the card's validation splits.
    Where `numbered`, a column `row` counts the rows of each file from 0, before the carving.

    Raises:
        Unavailable: a hub task while offline.
        BadInput: unusable files.
    """
    frames = _read(card)
    if numbered:
        frames = {name: each.assign(row=each.index) for name, each in frames.items()}
    return with_selection(frames, card, kept_groups)


def load_split(card: TaskCard, split: str) -> pd.DataFrame:
    """Load one split; of a folder also a test split, which is not among those of `load`.

    Raises:
        NotFound: there is no such split.
    """
    if card.origin == "folder" and split.startswith(TEST):
        return local.read_test(card, split)
    frames = load(card)
    if split not in frames:
        raise unknown("split", split, frames)
    return frames[split]


def _read(card: TaskCard) -> dict[str, pd.DataFrame]:
    if card.origin == "demo":
        return demo.generate(card.name)
    if card.origin == "folder":
        return local.read(card, kept_groups)
    return {
        name: uniform(
            frame, card.text, frame[card.label].to_numpy("float32" if card.regression else "int64")
        )
        for name, frame in hub.read(card).items()
    }
