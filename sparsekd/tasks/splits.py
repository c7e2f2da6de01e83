"""The selection split: scores, early stopping and choices use it, and never validation."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.errors import BadInput
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.group_draw import draw_groups
from sparsekd.tasks.groups import Groups, column_groups, text_groups
from sparsekd.tasks.labels import is_labelled, label_values

BINS = 10
LEAST_ROWS = 4
GROUP = "group"
"""The column of a training frame that names each row's group."""


def selection_size(rows: int, share: float, least: int, most: int) -> int:
    """Return `share` of the rows, between `least` and `most`, at most half of them."""
    return min(max(round(share * rows), least), most, rows // 2)


def strata(labels: NDArray[Any], card: TaskCard, size: int) -> NDArray[np.int64] | None:
    """Return the strata to sample evenly from; None where there are too few rows.

    None also with several labels for each text: their sets are too many, most of them rare.

    Shapes: labels (N,) or (N, C) -> (N,).
    """
    if card.multilabel:
        return None
    if card.regression:
        bins = min(BINS, size)
        quantiles = pd.qcut(pd.Series(labels), bins, labels=False, duplicates="drop")
        groups = quantiles.to_numpy(dtype=np.int64)
    else:
        groups = np.asarray(labels, dtype=np.int64)
    counts = np.bincount(groups)
    # A stratum of one row cannot be in both splits: it joins the largest stratum.
    groups = np.where(counts[groups] < 2, counts.argmax(), groups)
    return groups if len(np.unique(groups)) <= size and counts.max() >= 2 else None


def with_selection(
    frames: Mapping[str, pd.DataFrame],
    card: TaskCard,
    find_groups: Callable[[pd.DataFrame], Groups] = text_groups,
) -> dict[str, pd.DataFrame]:
    """Return frames with the selection split, carved from train, after it."""
    train, selection = carve_selection(frames["train"], card, find_groups=find_groups)
    rest = {name: frame for name, frame in frames.items() if name != "train"}
    return {"train": train, "selection": selection} | rest


def can_carve(train: pd.DataFrame) -> bool:
    """Return whether there are enough training rows for a selection split."""
    return len(_selectable(label_values(train["label"]))[0]) >= LEAST_ROWS


def _selectable(labels: NDArray[Any]) -> tuple[NDArray[np.int64], bool]:
    """Return the rows to select from, and whether they are labelled. Shapes: labels (N, …)."""
    known = np.flatnonzero(is_labelled(labels))
    return (known, True) if len(known) else (np.arange(len(labels)), False)


def carve_selection(
    train: pd.DataFrame,
    card: TaskCard,
    share: float = 0.1,
    least: int = 200,
    most: int = 2000,
    seed: int = 0,
    find_groups: Callable[[pd.DataFrame], Groups] = text_groups,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the training data into (train, selection), the same for all runs.

    Stratified by class, for regression by quantiles of the label, with several labels for each text
    not at all; both parts keep the data's order.
    Only rows with a gold label are selected from; where none has one, all rows are.
    Where the card has groups, whole groups are drawn; `find_groups` finds those of texts.

    Raises:
        BadInput: fewer than four training rows; LargeGroups: groups that are too large.
    """
    labels = label_values(train["label"])
    rows, labelled = _selectable(labels)
    if len(rows) < LEAST_ROWS:
        raise BadInput(
            f"{card.name} has {len(rows)} training rows{' with a label' * labelled}; "
            f"a selection split needs at least {LEAST_ROWS}.",
            "Add training data.",
        )
    size = selection_size(len(rows), share, least, most)
    even = strata(labels[rows], card, size) if labelled else None
    chosen = _draw(train, card, rows, even, size, seed, find_groups)
    kept = np.setdiff1d(np.arange(len(train)), chosen)
    train = train.drop(columns=GROUP, errors="ignore")
    return _take(train, kept), _take(train, chosen)


def hold_out(
    train: pd.DataFrame, card: TaskCard, find_groups: Callable[[pd.DataFrame], Groups] = text_groups
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the card's share of the labelled training rows as the validation split.

    Drawn as the selection split is, the same for all runs. Rows keep their index.

    Raises:
        BadInput: too few training rows with a label; LargeGroups: groups that are too large.
    """
    labels = label_values(train["label"])
    rows = np.flatnonzero(is_labelled(labels))
    if len(rows) < 2 * LEAST_ROWS:
        raise BadInput(
            f"There are {len(rows)} training rows with a label; holding out a validation split "
            f"needs at least {2 * LEAST_ROWS}.",
            "Add training data, or a validation file.",
        )
    size = max(1, round(card.validation_share * len(rows)))
    chosen = _draw(train, card, rows, strata(labels[rows], card, size), size, 0, find_groups)
    kept = np.setdiff1d(np.arange(len(train)), chosen)
    return train.iloc[kept], train.iloc[np.sort(chosen)].drop(columns=GROUP, errors="ignore")


def _draw(
    train: pd.DataFrame,
    card: TaskCard,
    rows: NDArray[np.int64],
    even: NDArray[np.int64] | None,
    size: int,
    seed: int,
    find_groups: Callable[[pd.DataFrame], Groups],
) -> NDArray[np.int64]:
    """Draw about `size` of `rows`, evenly from their strata, in whole groups where there are any.

    Shapes: rows (R,), even (R,) -> (S,).
    """
    if card.groups:
        groups = column_groups(train[GROUP]) if card.group_column else find_groups(train)
        return draw_groups(groups, rows, even, size, seed, card.name)
    from sklearn.model_selection import train_test_split  # takes a second to load

    return np.asarray(train_test_split(rows, test_size=size, random_state=seed, stratify=even)[1])


def _take(frame: pd.DataFrame, rows: NDArray[np.int64]) -> pd.DataFrame:
    return frame.iloc[np.sort(rows)].reset_index(drop=True)


def subsampled_rows(rows: int, examples: int) -> NDArray[np.int64]:
    """Return the indices of those rows, in ascending order.

    Shapes: -> (min(rows, examples),), or all rows where `examples` is 0.
    """
    if not examples or examples >= rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, examples, replace=False))
