"""Gold labels that are missing, replaced or left out: what a training may learn from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import is_labelled, without_labels
from sparsekd.tasks.splits import strata

SELECTION_SHARE = 0.2  # of the labels that are kept

NOISE_SEED = 0  # annotators' errors are part of the data: the same for teacher and students
Values = NDArray[Any]
_WORDS = {"labels": "several labels", "number": "a number"}


@dataclass(frozen=True)
class KnownLabels:
    """The labels that a training knows, by split.

    Shapes: train (N,), selection (M,), with several labels (N, C), (M, C).
    """

    train: Values
    selection: Values


def known_labels(
    card: TaskCard, gold: KnownLabels, labelled: int, noise: float, seed: int
) -> KnownLabels:
    """Return the labels that a training knows: with noise, and `labelled` of them, or all for 0.

    The noise is the same for every run; which labels are kept is drawn by `seed`.

    Raises:
        BadInput: more labels are kept than there are, or too few for the classes.
        Incompatible: noise in labels that are numbers, or several for each example.
    """
    train, selection = (
        noisy(labels, card, noise, NOISE_SEED + split)
        for split, labels in enumerate((gold.train, gold.selection))
    )
    if labelled:
        train, selection = draw_labels(train, selection, card, labelled, seed)
    return KnownLabels(train, selection)


def noisy(labels: Values, card: TaskCard, share: float, seed: int) -> Values:
    """Replace the gold labels of `share` of the labelled examples by another class, uniformly.

    Shapes: labels (N,) -> (N,).
    Raises:
        Incompatible: the labels are numbers, or several for each example.
    """
    if not share:
        return labels
    check_noise(card, share)
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(is_labelled(labels))
    chosen = rng.choice(known, round(share * len(known)), replace=False)
    found = labels.copy()
    found[chosen] = (found[chosen] + rng.integers(1, card.classes, len(chosen))) % card.classes
    return found


def check_noise(card: TaskCard, share: float) -> None:
    """Check that gold labels of a task can be replaced by another class.

    Raises:
        Incompatible: the labels are numbers, or several for each example.
    """
    if share and card.kind != "classes":
        raise Incompatible(
            f"label_noise = {share:g}: an example of {card.name} has {_WORDS[card.kind]}, not one "
            "class.",
            "Choose a task of classes, or no label noise.",
        )


def draw_labels(
    train: Values, selection: Values, card: TaskCard, labelled: int, seed: int
) -> tuple[Values, Values]:
    """Keep the gold labels of `labelled` examples, a fifth of them for selection.

    Stratified as the selection split is: with several labels for each text, not at all.

    Shapes: train (N,), selection (M,) -> as train, as selection.
    Raises:
        BadInput: there are fewer, or too few for every class or label to be in both splits.
    """
    held_out = max(1, round(SELECTION_SHARE * labelled))
    kept = (
        _drawn(train, card, labelled - held_out, seed, "the training examples", labelled),
        _drawn(selection, card, held_out, seed, "the selection split", labelled),
    )
    return without_labels(train, kept[0]), without_labels(selection, kept[1])


def _drawn(
    labels: Values, card: TaskCard, size: int, seed: int, where: str, labelled: int
) -> NDArray[np.int64]:
    known = np.flatnonzero(is_labelled(labels))
    if size > len(known):
        raise BadInput(
            f"labelled = {labelled}: {size} of them would be in {where}, which have "
            f"{len(known)} labels.",
            f"Keep fewer labels; {SELECTION_SHARE:.0%} of them are for selection.",
        )
    if size == len(known):
        return known
    groups = strata(labels[known], card, size)
    least = card.classes if card.kind == "classes" else 1
    if size < least or (groups is None and card.kind == "classes"):
        raise BadInput(
            f"labelled = {labelled} leaves {size} labels for {where}: too few for "
            f"{card.classes} classes.",
            f"Keep at least {round(card.classes / SELECTION_SHARE)} labels.",
        )
    if len(known) - size < (1 if groups is None else len(np.unique(groups))):
        groups = None  # scikit-learn wants every stratum on both sides of a split
    from sklearn.model_selection import train_test_split  # takes a second to load

    kept, _ = train_test_split(known, train_size=size, random_state=seed, stratify=groups)
    chosen = np.sort(kept)
    if _classes(labels[chosen], card) < _classes(labels[known], card):
        what = "a label without an example" if card.multilabel else "a class without a label"
        raise BadInput(
            f"labelled = {labelled} leaves {what} in {where}.",
            "Keep more labels, or join rare ones.",
        )
    return chosen


def _classes(labels: Values, card: TaskCard) -> int:
    """Count the classes or labels that occur; 0 where labels are numbers."""
    if card.multilabel:
        return int((labels > 0).any(axis=0).sum())
    return 0 if card.regression else len(np.unique(labels))
