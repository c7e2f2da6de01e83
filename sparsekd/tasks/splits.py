"""The selection split: what scores, stops early and chooses, so that validation chooses nothing."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from sparsekd.errors import BadInput
from sparsekd.tasks.cards import TaskCard

BINS = 10


def selection_size(rows: int, share: float, least: int, most: int) -> int:
    """`share` of the rows within `least` and `most`, but never more than half of them."""
    return min(max(round(share * rows), least), most, rows // 2)


def _strata(labels: pd.Series, card: TaskCard, size: int) -> NDArray[np.int64] | None:
    """The groups to draw evenly from; None where there are too few rows for groups."""
    if card.regression:
        bins = min(BINS, size)
        groups = pd.qcut(labels, bins, labels=False, duplicates="drop").to_numpy(dtype=np.int64)
    else:
        groups = labels.to_numpy(dtype=np.int64)
    counts = np.bincount(groups)
    # A group of one cannot be in both splits: it is drawn with the commonest group.
    groups = np.where(counts[groups] < 2, counts.argmax(), groups)
    return groups if len(np.unique(groups)) <= size and counts.max() >= 2 else None


def carve_selection(
    train: pd.DataFrame,
    card: TaskCard,
    share: float = 0.1,
    least: int = 200,
    most: int = 2000,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cut (train, selection) from the training data, the same for everyone.

    Stratified by class, for regression by quantiles of the label; both parts keep the data's order.

    Raises:
        BadInput: fewer than four training rows.
    """
    if len(train) < 4:
        raise BadInput(
            f"{card.name} has {len(train)} training rows; a selection split needs at least 4.",
            "Give more training data.",
        )
    size = selection_size(len(train), share, least, most)
    kept, chosen = train_test_split(
        np.arange(len(train)),
        test_size=size,
        random_state=seed,
        stratify=_strata(train["label"], card, size),
    )
    return _take(train, kept), _take(train, chosen)


def _take(frame: pd.DataFrame, rows: NDArray[np.int64]) -> pd.DataFrame:
    return frame.iloc[np.sort(rows)].reset_index(drop=True)


def overlap(frames: dict[str, pd.DataFrame]) -> int:
    """Validation rows whose text (both texts of a pair) also stands in the training data."""
    texts = {name: _texts(frame) for name, frame in frames.items()}
    seen = set().union(*(texts[name] for name in ("train", "selection") if name in texts))
    return sum(
        text in seen
        for name, rows in texts.items()
        if name not in ("train", "selection")
        for text in rows
    )


def _texts(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    columns = [name for name in ("text", "pair") if name in frame]
    return list(frame[columns].itertuples(index=False, name=None))
