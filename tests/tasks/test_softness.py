"""The entropy of answers and the temperature that gives one, against values by hand."""

import math

import numpy as np
import pytest

from sparsekd.errors import Incompatible
from sparsekd.tasks.softness import matching_temperature, mean_entropy


def entropy(*shares):
    return -sum(share * math.log(share) for share in shares)


def test_the_entropy_is_that_of_the_softened_probabilities():
    logits = 2 * np.log([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]])
    by_hand = (entropy(0.8, 0.1, 0.1) + entropy(0.2, 0.6, 0.2)) / 2
    assert mean_entropy("classes", logits, 2.0) == pytest.approx(by_hand, rel=1e-12)
    assert mean_entropy("classes", np.array([[0.0, 1000.0]])) == 0
    assert mean_entropy("classes", np.zeros((2, 3))) == pytest.approx(math.log(3))


def test_several_labels_have_the_mean_entropy_of_two_outcomes():
    odds = np.log([[0.8 / 0.2, 0.5 / 0.5]])
    by_hand = (entropy(0.8, 0.2) + entropy(0.5, 0.5)) / 2
    assert mean_entropy("labels", 3 * odds, 3.0) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_of_one_gap_between_the_logits_the_temperature_is_known(kind):
    """softmax(6 / T) has at T = 4 the entropy of softmax(3 / 2)."""
    dense, sparse = np.array([[0.0, 6.0], [6.0, 0.0]]), np.array([[3.0, 0.0], [0.0, 3.0]])
    wanted = mean_entropy(kind, sparse, 2.0)
    assert matching_temperature(kind, dense, wanted) == pytest.approx(4.0, rel=1e-8)


def test_an_entropy_that_no_temperature_gives_is_refused():
    with pytest.raises(Incompatible, match=r"entropy of 0\.7"):
        matching_temperature("classes", np.array([[0.0, 1.0]]), 0.7)  # above ln 2
