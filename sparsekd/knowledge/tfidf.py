"""TF-IDF of words with a linear model: a baseline without a pretrained model, in seconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

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
    """A linear model of TF-IDF values, and the inverse strength of its penalty."""

    vectorizers: Mapping[str, TfidfVectorizer]
    model: Any
    strength: float
    classes: int

    @property
    def parameters(self) -> int:
        """Return the number of weights and biases."""
        return int(np.size(self.model.coef_) + np.size(self.model.intercept_))

    def logits(self, frame: pd.DataFrame) -> Logits:
        """Return the logarithms of the probabilities, or the numbers of a regression.

        A class that no training text has gets a probability of 10⁻⁸.

        Shapes: frame of N rows -> (N, C).
        """
        features = _features(self.vectorizers, frame)
        if isinstance(self.model, Ridge):
            return np.asarray(self.model.predict(features), dtype=np.float32)[:, None]
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
    Class weights are those of `class_weights.balanced`.

    Shapes: train N rows, labels (N,), selection M rows, selection_labels (M,).
    Raises:
        BadInput: no training text has a label or a word, or all have the same class.
    """
    known = np.flatnonzero(is_labelled(labels))
    judged = np.flatnonzero(is_labelled(selection_labels))
    if not len(known) or (not card.regression and len(np.unique(labels[known])) < 2):
        raise BadInput(
            f"{card.name}: the labelled training texts have fewer than two classes.",
            "Keep more labels; nothing else is learned from.",
        )
    texts, targets = train.iloc[known], labels[known]
    vectorizers = {name: _vectorizer(words) for name in ("text", "pair") if name in train}
    try:
        for name, one in vectorizers.items():
            one.fit(texts[name])
    except ValueError as error:
        raise BadInput(f"{card.name}: {error}.", "The texts need words.") from error
    features = _features(vectorizers, texts)
    best: tuple[float, WordModel] | None = None
    for place, strength in enumerate(STRENGTHS if len(judged) else (1.0,)):
        classifier = _classifier(strength, class_weights)
        model = Ridge(alpha=1 / strength) if card.regression else classifier
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


def _classifier(strength: float, class_weights: str) -> LogisticRegression:
    weights = "balanced" if class_weights == "balanced" else None
    return LogisticRegression(C=strength, max_iter=1000, class_weight=weights)


def _features(vectorizers: Mapping[str, TfidfVectorizer], frame: pd.DataFrame) -> csr_matrix:
    """Return the TF-IDF values of every text column side by side."""
    parts = [one.transform(frame[name]) for name, one in vectorizers.items()]
    return csr_matrix(hstack(parts))
