"""Texts that stand inside others, against a search of every text in every other."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsekd.tasks import containment
from sparsekd.tasks.containment import containments, distinct, words_of

TEXTS = st.lists(st.text("ab", min_size=1, max_size=7).map(" ".join), min_size=1, max_size=15)


def pairs(texts):
    words, numbers = distinct(texts)
    inner, outer = containments(words)
    known = dict(zip(numbers.tolist(), texts, strict=True))
    return {(known[one], known[other]) for one, other in zip(inner, outer, strict=True)}


@given(TEXTS)
def test_every_text_that_stands_in_another_is_found_and_nothing_else(texts):
    wanted = {(a, b) for a in texts for b in texts if a != b and f" {a} " in f" {b} "}
    assert pairs(texts) == wanted


@settings(max_examples=20)
@given(TEXTS)
def test_comparing_in_small_chunks_finds_the_same(texts):
    whole = pairs(texts)
    before = containment.CANDIDATES
    try:
        containment.CANDIDATES = 3
        assert pairs(texts) == whole
    finally:
        containment.CANDIDATES = before


def test_words_are_compared_without_case_and_punctuation():
    assert words_of("A fine, FINE film!") == ("a", "fine", "fine", "film")
    assert words_of(" ?! ") == ("?!",)
    assert pairs(["fine film", "A FINE, film …"]) == {("fine film", "A FINE, film …")}


def test_a_part_of_a_word_is_not_a_part_of_a_text():
    assert pairs(["art", "the party", "an art film"]) == {("art", "an art film")}


def test_equal_texts_are_one_text():
    words, numbers = distinct(["A film.", "a film", "two films"])
    assert numbers.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(words.lengths, [2, 2])
    np.testing.assert_array_equal(words.owners, [0, 0, 1, 1])
