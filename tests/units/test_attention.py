"""Attention by kind of target token, against sums written out by hand."""

import math

import numpy as np
import pytest

from sparsekd.units.attention import attention_shares

SPECIAL = [True, False, False, False, True]
# Rows of three words between [CLS] and [SEP]; the rows of the special tokens do not count.
ATTENTION = np.array(
    [
        [1.0, 0.0, 0.0, 0.0, 0.0],
        [0.1, 0.2, 0.3, 0.3, 0.1],
        [0.0, 0.5, 0.1, 0.2, 0.2],
        [0.4, 0.1, 0.2, 0.0, 0.3],
        [0.0, 0.0, 0.0, 0.0, 1.0],
    ],
    dtype=np.float32,
)


def test_shares_are_means_over_the_words_by_kind_of_target() -> None:
    shares = attention_shares(ATTENTION, SPECIAL)
    assert shares["special tokens"] == pytest.approx((0.2 + 0.2 + 0.7) / 3)
    assert shares["itself"] == pytest.approx((0.2 + 0.1 + 0.0) / 3)
    assert shares["the token before"] == pytest.approx((0.0 + 0.5 + 0.2) / 3)
    assert shares["the token after"] == pytest.approx((0.3 + 0.2 + 0.0) / 3)
    assert shares["elsewhere"] == pytest.approx((0.3 + 0.0 + 0.1) / 3)
    assert sum(shares.values()) == pytest.approx(1)


def test_a_word_at_the_end_of_the_text_has_no_token_after_it() -> None:
    shares = attention_shares(np.array([[0.5, 0.5], [0.5, 0.5]], np.float32), [False, False])
    assert shares["itself"] == pytest.approx(0.5)
    assert shares["the token before"] == shares["the token after"] == pytest.approx(0.25)


def test_a_text_without_words_has_no_shares() -> None:
    shares = attention_shares(np.eye(2, dtype=np.float32), [True, True])
    assert all(math.isnan(share) for share in shares.values())
