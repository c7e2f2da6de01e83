"""TF-IDF of words with a linear model: a baseline without a pretrained model, in seconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from scipy.special import logit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier

from sparsekd.errors import BadInput
from sparsekd.knowledge.evaluation import Logits
from sparsekd.tasks import TaskCard, metrics
from sparsekd.tasks.answers.values import FLOOR
from sparsekd.tasks.labels import is_labelled

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Inverse strengths C of the L2 penalty to choose from on the selection split."""
WORD = r"(?u)\b\w+\b"


@dataclass(frozen=True)
class WordModel:
    """A linear model of TF-IDF values, or one for each label; inverse strength of its penalty."""

    vectorizers: Mapping[str, TfidfVectorizer]
    model: Any
    strength: float
    classes: int

    @property
    def parameters(self) -> int:
        """Return the number of weights and biases."""
        several = isinstance(self.model, OneVsRestClassifier)
        each = self.model.estimators_ if several else [self.model]
        fitted = [one for one in each if hasattr(one, "coef_")]  # a constant label has no model
        return int(sum(np.size(one.coef_) + np.size(one.intercept_) for one in fitted))

    def logits(self, frame: pd.DataFrame) -> Logits:
        """Return the logarithms of the probabilities, or the numbers of a regression.

        A class that no training text has gets a probability of 10⁻⁸. With several labels, return
        the logits of each; one that applies to all training texts or to none gets 10⁻⁸ or 1 − 10⁻⁸.

        Shapes: frame of N rows -> (N, C).
        """
        features = _features(self.vectorizers, frame)
        if isinstance(self.model, Ridge):
            return np.asarray(self.model.predict(features), dtype=np.float32)[:, None]
        if isinstance(self.model, OneVsRestClassifier):
            applies = self.model.predict_proba(features).clip(FLOOR, 1 - FLOOR)
            return np.asarray(logit(applies), dtype=np.float32)
        found = np.full((len(frame), self.classes), np.log(FLOOR), dtype=np.float32)
        found[:, self.model.classes_] = self.model.predict_log_proba(features)
        return np.maximum(found, np.float32(np.log(FLOOR)))


def fit(
    card: TaskCard,
    words: int,
    train: pd.DataFrame,
    labels: NDArray[Any],
    selection: pd.DataFrame,
    selection_labels: NDArray[Any],
    on_fit: Callable[[int], None] = lambda done: None,
    class_weights: Literal["none", "balanced"] = "none",
) -> WordModel:
    """Fit on the labelled training texts; the selection split chooses the penalty, if it can.

    Word 1- to `words`-grams of each text column are weighted by TF-IDF on these texts. The penalty
    is chosen by the task's first metric, among equals the strongest; without labels it is C = 1.
    Class weights are those of `class_weights.balanced`. Several labels have a model each.

    Shapes: train N rows, labels (N,), selection M rows, selection_labels (M,); with several labels
        (N, C) and (M, C).
    Raises:
        BadInput: no training text has a label or a word, or all have the same class or labels.
    """
    known = np.flatnonzero(is_labelled(labels))
    judged = np.flatnonzero(is_labelled(selection_labels))
    if not len(known) or (not card.regression and not np.ptp(labels[known], axis=0).any()):
        raise BadInput(
            f"{card.name}: the labelled training texts have fewer than two classes.",
            "Keep more labels; nothing else is learned from.",
        )
    texts, targets = train.iloc[known], labels[known]
    targets = targets.astype(np.int64) if card.multilabel else targets
    vectorizers = {name: _vectorizer(words) for name in ("text", "pair") if name in train}
    try:
        for name, one in vectorizers.items():
            one.fit(texts[name])
    except ValueError as error:
        raise BadInput(f"{card.name}: {error}.", "The texts need words.") from error
    features = _features(vectorizers, texts)
    best: tuple[float, WordModel] | None = None
    for place, strength in enumerate(STRENGTHS if len(judged) else (1.0,)):
        model = _model(card, strength, class_weights)
        found = WordModel(vectorizers, model.fit(features, targets), strength, card.classes)
        on_fit(place + 1)
        worth = 0.0
        if len(judged):
            seen = metrics.evaluate(
                card, found.logits(selection.iloc[judged]), selection_labels[judged]
            )
            worth = seen[card.metrics[0]]
        if best is None or worth > best[0]:
            best = (worth, found)
    assert best is not None  # there is at least one strength
    return best[1]


def _vectorizer(words: int) -> TfidfVectorizer:
    return TfidfVectorizer(ngram_range=(1, words), token_pattern=WORD)


def _model(card: TaskCard, strength: float, class_weights: str) -> Any:
    if card.regression:
        return Ridge(alpha=1 / strength)
    weights = "balanced" if class_weights == "balanced" else None
    model = LogisticRegression(C=strength, max_iter=1000, class_weight=weights)
    return OneVsRestClassifier(model) if card.multilabel else model


def _features(vectorizers: Mapping[str, TfidfVectorizer], frame: pd.DataFrame) -> csr_matrix:
    """Return the TF-IDF values of every text column side by side."""
    parts = [one.transform(frame[name]) for name, one in vectorizers.items()]
    return csr_matrix(hstack(parts))
