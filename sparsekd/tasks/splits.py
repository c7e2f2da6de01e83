"""The selection split: scores, early stopping and choices use it, and never validation."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from sparsekd.errors import BadInput
from sparsekd.tasks.cards import TaskCard

BINS = 10


def selection_size(rows: int, share: float, least: int, most: int) -> int:
    """Return `share` of the rows, between `least` and `most`, at most half of them."""
    return min(max(round(share * rows), least), most, rows // 2)


def _strata(labels: pd.Series, card: TaskCard, size: int) -> NDArray[np.int64] | None:
    """Return the strata to sample evenly from; None where there are too few rows."""
    if card.regression:
        bins = min(BINS, size)
        groups = pd.qcut(labels, bins, labels=False, duplicates="drop").to_numpy(dtype=np.int64)
    else:
        groups = labels.to_numpy(dtype=np.int64)
    counts = np.bincount(groups)
    # A stratum of one row cannot be in both splits: it joins the largest stratum.
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
    """Split the training data into (train, selection), the same for all runs.

    Stratified by class, for regression by quantiles of the label; both parts keep the data's order.

    Raises:
        BadInput: fewer than four training rows.
    """
    if len(train) < 4:
        raise BadInput(
            f"{card.name} has {len(train)} training rows; a selection split needs at least 4.",
            "Add training data.",
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
    """Count the validation rows whose text (both texts of a pair) is also in the training data."""
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
