"""The selection split: its size, its evenness, and that it is the same for everyone."""

import numpy as np
import pandas as pd
import pytest

from sparsekd.errors import BadInput
from sparsekd.tasks import find
from sparsekd.tasks.splits import carve_selection, overlap, selection_size

CLASSES = find("glue/mnli")
NUMBERS = find("glue/stsb")


def frame(labels):
    return pd.DataFrame({"text": [f"text {n}" for n in range(len(labels))], "label": labels})


@pytest.mark.parametrize(
    ("rows", "size"),
    [(67_349, 2000), (8_551, 855), (2_490, 249), (1_000, 200), (300, 150), (4, 2)],
)
def test_a_tenth_at_least_200_at_most_2000_and_never_more_than_half(rows, size):
    assert selection_size(rows, 0.1, 200, 2000) == size
    train, selection = carve_selection(frame(np.arange(rows) % 3), CLASSES)
    assert (len(train), len(selection)) == (rows - size, size)


def test_the_parts_are_disjoint_and_together_everything():
    whole = frame(np.arange(1000) % 3)
    train, selection = carve_selection(whole, CLASSES)
    assert not set(train["text"]) & set(selection["text"])
    assert set(train["text"]) | set(selection["text"]) == set(whole["text"])


def test_the_split_is_the_same_every_time():
    whole = frame(np.arange(1000) % 3)
    first, again = carve_selection(whole, CLASSES)[1], carve_selection(whole, CLASSES)[1]
    pd.testing.assert_frame_equal(first, again)


def test_classes_keep_their_shares():
    labels = np.repeat([0, 1, 2], [5000, 4000, 1000])
    _, selection = carve_selection(frame(labels), CLASSES)
    assert np.bincount(selection["label"]).tolist() == [500, 400, 100]


def test_numbers_keep_their_quantiles():
    labels = np.random.default_rng(0).gamma(2.0, size=3000).astype("float32")
    train, selection = carve_selection(frame(labels), NUMBERS)
    shares = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(
        np.quantile(selection["label"], shares), np.quantile(train["label"], shares), rtol=0.1
    )


def test_a_class_of_one_example_does_not_stop_the_split():
    train, selection = carve_selection(frame(np.array([0, 1] * 300 + [2])), CLASSES)
    assert len(train) + len(selection) == 601


def test_three_rows_are_too_few():
    with pytest.raises(BadInput, match="3 training rows"):
        carve_selection(frame(np.array([0, 1, 1])), CLASSES)


def test_validation_texts_that_stand_in_train_or_selection_are_counted():
    def texts(*pairs):
        return pd.DataFrame(pairs, columns=["text", "pair"])

    frames = {
        "train": texts(("a", "b"), ("c", "d")),
        "selection": texts(("e", "f")),
        "validation": texts(("a", "b"), ("b", "a"), ("e", "f"), ("a", "d")),
    }
    assert overlap(frames) == 2
