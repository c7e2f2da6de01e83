"""TF-IDF with a linear model against scikit-learn's own pipeline, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sparsekd.errors import BadInput
from sparsekd.knowledge import tfidf
from sparsekd.tasks.labels import UNLABELLED
from tests.tiny_data import several_card, tiny_card

WORDS = ["a good film", "a bad film", "good a plot", "bad plot", "film film"]
TEXTS = pd.DataFrame({"text": WORDS})
LABELS = np.array([1, 0, 1, 0, UNLABELLED])


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_it_is_scikit_learns_pipeline_on_the_labelled_texts_alone(weights):
    none, labels = np.full(5, UNLABELLED), np.array([1, 0, 1, 1, UNLABELLED])
    found = tfidf.fit(tiny_card(), 2, TEXTS, labels, TEXTS, none, class_weights=weights)
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")
    model = LogisticRegression(class_weight=weights if weights == "balanced" else None)
    plain = make_pipeline(words, model).fit(TEXTS["text"][:4], labels[:4])
    logits = found.logits(TEXTS)
    np.testing.assert_allclose(np.exp(logits), plain.predict_proba(TEXTS["text"]), rtol=1e-5)
    # a, good, film, bad, plot; a good, good film, a bad, bad film, good a, a plot, bad plot; bias
    assert found.parameters == 5 + 7 + 1


def test_the_penalty_is_the_one_that_answers_the_selection_split_best():
    rows = pd.DataFrame({"text": ["good"] * 3 + ["bad", "good bad"]})
    labels = np.array([1, 1, 1, 0, 0])
    judged = pd.DataFrame({"text": ["bad", "good bad"]})
    found = tfidf.fit(tiny_card(), 1, rows, labels, judged, np.array([0, 0]))
    strengths = {}
    for strength in tfidf.STRENGTHS:
        words = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b").fit(rows["text"])
        model = LogisticRegression(C=strength).fit(words.transform(rows["text"]), labels)
        strengths[strength] = model.score(words.transform(judged["text"]), [0, 0])
    assert min(strengths.values()) < max(strengths.values())
    assert found.strength == max(strengths, key=lambda name: strengths[name])


def test_a_class_that_no_training_text_has_is_next_to_impossible():
    found = tfidf.fit(tiny_card(3), 2, TEXTS, np.where(LABELS == 1, 2, LABELS), TEXTS, LABELS)
    np.testing.assert_allclose(np.exp(found.logits(TEXTS)[:, 1]), 1e-8, rtol=1e-4)
    assert found.logits(TEXTS).argmax(1)[:4].tolist() == [2, 0, 2, 0]


def test_both_texts_of_a_pair_have_words_of_their_own():
    pairs = pd.DataFrame({"text": ["x", "y", "x", "y"], "pair": ["y", "x", "y", "x"]})
    labels = np.array([1, 0, 1, 0])
    found = tfidf.fit(tiny_card(), 1, pairs, labels, pairs, labels)
    assert found.logits(pairs).argmax(1).tolist() == [1, 0, 1, 0]
    assert found.parameters == 4 + 1


def test_numbers_are_a_ridge_regression():
    values = np.array([5.0, 1.0, 4.0, 0.0, np.nan], dtype=np.float32)
    found = tfidf.fit(tiny_card(1), 1, TEXTS, values, TEXTS, values)
    logits = found.logits(TEXTS)
    assert logits.shape == (5, 1)
    assert logits[0, 0] > 3 > 2 > logits[3, 0]


@pytest.mark.filterwarnings("ignore:Label not:UserWarning")  # the third is constant
def test_several_labels_are_a_logistic_regression_each():
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0], [np.nan] * 3], dtype=np.float32)
    none = np.full((5, 3), np.nan, dtype=np.float32)
    found = tfidf.fit(several_card(), 2, TEXTS, labels, TEXTS, none)
    logits, words = found.logits(TEXTS), TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+")
    for place in (0, 1):
        one = make_pipeline(words, LogisticRegression()).fit(TEXTS["text"][:4], labels[:4, place])
        np.testing.assert_allclose(logits[:, place], one.decision_function(TEXTS["text"]), 1e-4)
    np.testing.assert_allclose(logits[:, 2], np.log(1e-8), rtol=1e-4)
    assert found.parameters == 2 * (5 + 7 + 1)


def test_labels_of_one_class_are_refused():
    with pytest.raises(BadInput, match="fewer than two classes"):
        tfidf.fit(tiny_card(), 1, TEXTS, np.where(LABELS == 0, 1, LABELS), TEXTS, LABELS)
