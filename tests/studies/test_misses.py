"""The mistakes of a model, on rows written by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sparsekd.errors import Incompatible
from sparsekd.studies.misses import misses
from sparsekd.tasks import TASKS
from sparsekd.tasks.labels import UNLABELLED

CARD = replace(TASKS["demo/sentiment"], labels=("bad", "good"))
GOLD = np.array([0, 1, 1, 0, UNLABELLED])
ONE = np.array([[2, 0], [3, 0], [1, 0], [3, 0], [9, 0]], dtype=np.float32)  # wrong: rows 1, 2
OTHER = np.array([[0, 2], [0, 3], [1, 0], [3, 0], [9, 0]], dtype=np.float32)  # wrong: rows 0, 2
ANSWERS = {"one": (ONE, GOLD), "other": (OTHER, GOLD)}


def test_the_surest_mistakes_come_first_with_how_many_models_make_them() -> None:
    texts = pd.DataFrame({"text": list("abcde"), "label": GOLD})

    found = misses(CARD, ANSWERS, "one", texts)

    assert found["text"].tolist() == ["b", "c"]
    assert found["row"].tolist() == [1, 2]
    assert (found["gold"] == "good").all()
    assert (found["prediction"] == "bad").all()
    sigmoid = 1 / (1 + np.exp([-3.0, -1.0]))
    np.testing.assert_allclose(found["confidence"], sigmoid, rtol=1e-6)
    assert found["missed_by"].tolist() == [1, 2]


def test_the_numbers_farthest_from_the_gold_ones_come_first() -> None:
    card = replace(CARD, labels=())
    gold = np.array([1.0, 2.0, np.nan, 3.0])
    logits = np.array([[1.5], [5.0], [0.0], [3.0]], dtype=np.float32)

    found = misses(card, {"one": (logits, gold)}, "one")

    assert found["row"].tolist() == [1, 0, 3]
    assert found["error"].tolist() == [3.0, 0.5, 0.0]


def test_texts_of_other_rows_are_refused() -> None:
    texts = pd.DataFrame({"text": list("abcde"), "label": GOLD[::-1]})
    with pytest.raises(Incompatible, match="not those that these models answered"):
        misses(CARD, ANSWERS, "one", texts)


def test_of_several_labels_the_surest_wrong_one_counts() -> None:
    card = replace(CARD, labels=("acting", "plot", "sound"), multilabel=True)
    gold = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32)
    logits = np.array([[5, 1, -5], [-2, 5, 1], [-9, -9, -9]], dtype=np.float32)

    found = misses(card, {"one": (logits, gold)}, "one")

    assert found["prediction"].tolist() == ["acting, plot", "plot, sound"]
    np.testing.assert_allclose(found["confidence"], 1 / (1 + np.exp(-1.0)), rtol=1e-6)
    assert found["missed_by"].tolist() == [1, 1]
