"""Groups of examples that share text, and draws of whole groups."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsekd.errors import BadInput
from sparsekd.tasks.group_draw import draw_groups
from sparsekd.tasks.groups import CHANCE, Groups, column_groups, text_groups

WORDS = st.lists(st.text("abc", min_size=1, max_size=6).map(" ".join), min_size=2, max_size=12)


def singles(*texts):
    return pd.DataFrame({"text": texts})


def stands_in(one, other):
    return f" {one} " in f" {other} "


def together(groups):
    """Return the rows of each group, in order."""
    return sorted(np.flatnonzero(groups.of == each).tolist() for each in np.unique(groups.of))


def test_the_phrases_of_one_sentence_are_one_group():
    found = text_groups(
        singles("a film full of warmth", "full of warmth", "warmth", "a dull evening", "dull")
    )
    assert together(found) == [[0, 1, 2], [3, 4]]
    assert not found.common.any()
    assert found.shared == 1.0


def test_a_short_phrase_of_two_sentences_joins_neither_and_stays_in_training():
    found = text_groups(singles("the film is warm", "the film drags on", "the film", "film"))
    assert together(found) == [[0], [1], [2], [3]]
    assert found.common.tolist() == [False, False, True, True]


def test_a_long_phrase_of_two_sentences_joins_them():
    found = text_groups(singles("so it is a warm film", "is a warm film of ours", "a warm film"))
    assert len(together(found)) == 3
    found = text_groups(singles("so it is a warm film", "is a warm film of ours", "is a warm film"))
    assert together(found) == [[0, 1, 2]]
    assert len(["is", "a", "warm", "film"]) == CHANCE


def test_a_short_phrase_of_two_sentences_that_are_joined_belongs_to_both():
    found = text_groups(
        singles("so it is a warm film", "is a warm film of ours", "is a warm film", "warm film")
    )
    assert together(found) == [[0, 1, 2, 3]]


@settings(max_examples=50)
@given(WORDS)
def test_no_text_outside_a_group_contains_one_of_its_texts_unless_that_is_common(texts):
    found = text_groups(singles(*texts))
    for row, text in enumerate(texts):
        outside = [
            place
            for place, other in enumerate(texts)
            if stands_in(text, other) and found.of[place] != found.of[row]
        ]
        assert bool(outside) <= found.common[row]


@settings(max_examples=30)
@given(WORDS, st.randoms(use_true_random=False))
def test_no_pair_outside_a_group_shares_a_text_with_it_unless_that_is_common(texts, random):
    others = [
        (f"first {place}", f"second {place}") for place in range(len(texts))
    ]  # most are alone
    pairs = [(one, random.choice(texts)) for one in texts] + others
    found = text_groups(pd.DataFrame(pairs, columns=["text", "pair"]))
    for row, pair in enumerate(pairs):
        outside = [
            place
            for place, others in enumerate(pairs)
            if found.of[place] != found.of[row]
            and any(stands_in(text, other) for text in pair for other in others)
        ]
        assert bool(outside) <= found.common[row]


def test_pairs_with_one_premise_are_one_group_and_an_answer_of_one_word_joins_nothing():
    frame = pd.DataFrame(
        [
            ("a man is playing a flute", "he makes some music today"),
            ("a man is playing a flute", "yes"),
            ("two dogs are in the park", "yes"),
            ("a boat is on the lake", "the lake carries a boat"),
        ],
        columns=["text", "pair"],
    )
    found = text_groups(frame)
    assert together(found) == [[0, 1], [2], [3]]
    assert found.common.tolist() == [False, True, True, False]


def test_where_generic_hypotheses_join_most_pairs_the_premises_alone_join():
    frame = pd.DataFrame(
        [
            (f"premise number {place // 2} tells of a man in town", "a man is outside")
            for place in range(20)
        ],
        columns=["text", "pair"],
    )
    assert together(text_groups(frame)) == [[2 * n, 2 * n + 1] for n in range(10)]


def test_a_column_groups_equal_values_and_leaves_empty_cells_alone():
    found = column_groups(pd.Series(["anna", "bert", None, "anna", " ", "bert"]))
    assert together(found) == [[0, 3], [1, 5], [2], [4]]


def plain(of):
    return Groups(np.asarray(of), np.zeros(len(of), dtype=bool))


def test_whole_groups_are_drawn_each_class_in_its_share():
    of = np.repeat(np.arange(300), 3)
    classes = np.repeat(np.arange(300) % 3 == 0, 3).astype(np.int64)
    chosen = draw_groups(plain(of), np.arange(900), classes, 90, 0, "task")
    assert len(chosen) == 90
    assert (np.bincount(of[chosen], minlength=300) % 3 == 0).all()
    assert np.bincount(classes[chosen]).tolist() == [60, 30]


def test_a_draw_is_the_same_for_a_seed_and_another_for_another():
    draws = [draw_groups(plain(np.arange(100)), np.arange(100), None, 20, s, "") for s in (0, 0, 1)]
    assert draws[0].tolist() == draws[1].tolist() != draws[2].tolist()


def test_common_and_unlabelled_examples_keep_their_group_in_training():
    of = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    common = np.zeros(8, dtype=bool)
    common[0] = True
    labelled = np.array([0, 1, 2, 4, 5, 6, 7])  # not 3
    chosen = draw_groups(Groups(of, common), labelled, None, 4, 0, "task")
    assert chosen.tolist() == [4, 5, 6, 7]


def test_where_every_group_is_larger_than_the_split_the_smallest_is_taken():
    of = np.repeat([0, 1, 2, 3], [40, 20, 30, 30])
    chosen = draw_groups(plain(of), np.arange(120), None, 12, 0, "task")
    assert set(of[chosen]) == {1}
    assert len(chosen) == 20


def test_one_group_of_nearly_everything_is_refused():
    of = np.repeat([0, 1], [95, 5])
    with pytest.raises(BadInput, match=r"task: .* 5 of the 20 .* the largest group has 95 of 100"):
        draw_groups(plain(of), np.arange(100), None, 20, 0, "task")
