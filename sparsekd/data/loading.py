"""Load a task's frames: train, selection and validation."""

import numpy as np
import pandas as pd

from sparsekd.data import hub
from sparsekd.runs.kept_groups import kept_groups
from sparsekd.tasks import demo, local
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.columns import uniform
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
        frames = {name: each.assign(row=np.arange(len(each))) for name, each in frames.items()}
    return with_selection(frames, card, kept_groups)


def _read(card: TaskCard) -> dict[str, pd.DataFrame]:
    if card.origin == "demo":
        return demo.generate(card.name)
    if card.origin == "folder":
        return local.read(card)
    return {
        name: uniform(
            frame, card.text, frame[card.label].to_numpy("float32" if card.regression else "int64")
        )
        for name, frame in hub.read(card).items()
    }
