"""Which gold labels a training knows: kept by seed, stratified, replaced by noise."""

import numpy as np
import pytest

from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks.labels import UNLABELLED, is_labelled, without_labels
from sparsekd.tasks.supervision import KnownLabels, draw_labels, known_labels, noisy
from tests.tiny_data import tiny_card

CARD = tiny_card(3)
TRAIN, SELECTION = np.repeat([0, 1, 2], [60, 30, 10]), np.repeat([0, 1, 2], [30, 15, 5])


def test_numbers_without_a_label_are_nan_and_classes_have_a_reserved_id():
    assert is_labelled(np.array([0.5, np.nan], dtype=np.float32)).tolist() == [True, False]
    assert is_labelled(np.array([0, UNLABELLED, 2])).tolist() == [True, False, True]
    kept = without_labels(np.array([0.5, 1, 2], dtype=np.float32), np.array([1]))
    assert np.isnan(kept).tolist() == [True, False, True] and kept[1] == 1


def test_labels_are_kept_by_class_a_fifth_of_them_for_selection():
    train, selection = draw_labels(TRAIN, SELECTION, CARD, 50, seed=3)
    assert np.bincount(train[is_labelled(train)]).tolist() == [24, 12, 4]
    assert np.bincount(selection[is_labelled(selection)]).tolist() == [6, 3, 1]
    known = is_labelled(train)
    np.testing.assert_array_equal(train[known], TRAIN[known])
    again, _ = draw_labels(TRAIN, SELECTION, CARD, 50, seed=3)
    other, _ = draw_labels(TRAIN, SELECTION, CARD, 50, seed=4)
    np.testing.assert_array_equal(train, again)
    assert not np.array_equal(train, other)


def test_only_rows_that_have_a_label_can_keep_one():
    train = without_labels(TRAIN, np.flatnonzero(np.arange(100) % 2))
    drawn, _ = draw_labels(train, SELECTION, CARD, 30, seed=0)
    assert is_labelled(drawn).sum() == 24
    assert not (is_labelled(drawn) & ~is_labelled(train)).any()


@pytest.mark.parametrize(
    ("labelled", "message"),
    [(200, "160 of them would be in the training examples, which have 100"), (6, "too few")],
)
def test_more_labels_than_there_are_and_too_few_for_the_classes_are_refused(labelled, message):
    with pytest.raises(BadInput, match=message):
        draw_labels(TRAIN, SELECTION, CARD, labelled, seed=0)


def test_noise_replaces_exactly_its_share_of_the_labels_by_other_classes():
    found = noisy(TRAIN, CARD, 0.25, seed=0)
    changed = found != TRAIN
    assert changed.sum() == 25 and set(found) == {0, 1, 2}
    np.testing.assert_array_equal(found, noisy(TRAIN, CARD, 0.25, seed=0))
    assert noisy(TRAIN, CARD, 0.0, seed=0) is TRAIN
    some = without_labels(TRAIN, np.arange(40))
    assert (noisy(some, CARD, 0.5, seed=0) != some).sum() == 20


def test_noise_is_the_same_for_every_seed_and_the_labels_kept_are_not():
    gold = KnownLabels(TRAIN, SELECTION)
    one, other = (known_labels(CARD, gold, 50, 0.2, seed) for seed in (0, 1))
    both = is_labelled(one.train) & is_labelled(other.train)
    np.testing.assert_array_equal(one.train[both], other.train[both])
    assert not np.array_equal(is_labelled(one.train), is_labelled(other.train))


def test_numbers_have_no_label_noise():
    with pytest.raises(Incompatible, match="has a number, not one class"):
        noisy(np.linspace(0, 1, 9, dtype=np.float32), tiny_card(1), 0.1, seed=0)
