"""Sentences about scores name the units that the numbers name."""

import numpy as np
import pytest

from sparsekd.units import score_words
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Scores


def test_the_summary_names_the_highest_and_the_lowest_head():
    e = np.array([[3.0, 1.0], [2.0, 0.5]])
    scores = Scores(e, e[::-1], np.ones((2, 8)), np.ones((2, 8)))

    text = score_words.summary(scores, 1.0, "none")

    assert "**layer 1, head 1** has the highest" in text
    assert "**layer 2, head 2** the lowest of 4 heads" in text
    assert "**partly agree** (rank correlation 0.60)" in text
    assert "neurons" not in text  # they have maps of their own


@pytest.mark.parametrize(
    ("correlation", "words"),
    [(0.71, "mostly agree"), (0.7, "partly agree"), (0.3, "disagree"), (-1.0, "disagree"),
     (float("nan"), "cannot be compared")],
)  # fmt: skip
def test_a_correlation_is_a_verb(correlation, words):
    assert score_words.agreement(correlation) == words


def test_the_place_of_a_unit_is_said_with_and_without_a_mask():
    mask = Mask(np.array([[True, False]]), np.ones((1, 8), dtype=bool))

    kept, removed = (score_words.removal("head", 0, index, 3, 0.5, mask) for index in (0, 1))

    assert kept.startswith("At sparsity 50% it is kept: number 3 in the order of removal")
    assert "it is **removed**" in removed
    assert removed.endswith("`heads[0, 1]`.")
    assert score_words.removal("head", 0, 0, 3, 1.0, None) == (
        "It is number 3 in the order of removal."
    )
