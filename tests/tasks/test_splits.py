"""The selection split: its size, its evenness, and that it is the same for everyone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sparsekd.errors import BadInput
from sparsekd.tasks import find
from sparsekd.tasks.splits import carve_selection, selection_size

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


def phrases(sentences):
    """Three phrases of each sentence, with its class."""
    texts = [f"sentence {n} ends in tears" for n in range(sentences)]
    parts = [part for text in texts for part in (text, text[:-6], text[:-9])]
    return pd.DataFrame({"text": parts, "label": np.repeat(np.arange(sentences) % 3, 3)})


def test_a_grouped_selection_holds_whole_sentences_as_many_rows_as_fit():
    whole = phrases(1000).sample(frac=1, random_state=0, ignore_index=True)
    grouped = replace(CLASSES, groups="text")
    train, selection = carve_selection(whole, grouped)
    assert len(carve_selection(whole, CLASSES)[1]) == 300
    assert np.bincount(selection["label"]).tolist() == [99, 99, 99]  # 100 each, in threes
    number = [set(part["text"].str.split().str[1]) for part in (train, selection)]
    assert not number[0] & number[1]
    pd.testing.assert_frame_equal(selection, carve_selection(whole, grouped)[1])


def test_a_plain_split_is_that_of_earlier_versions():
    _, selection = carve_selection(frame(np.arange(1000) % 3), CLASSES)
    rows = selection["text"].str.removeprefix("text ").astype(int)
    assert (rows.head(5).tolist(), int(rows.sum())) == ([2, 13, 16, 20, 22], 103_309)


def test_the_values_of_a_column_stay_together_and_the_column_goes():
    whole = frame(np.arange(900) % 3).assign(group=[f"writer {n // 9}" for n in range(900)])
    train, selection = carve_selection(whole, replace(CLASSES, groups="column writer"))
    writers = [set(part["text"].str[5:].astype(int) // 9) for part in (train, selection)]
    assert not writers[0] & writers[1]
    assert list(selection.columns) == list(train.columns) == ["text", "label"]
