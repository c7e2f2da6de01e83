"""Two models example by example."""

import numpy as np

from pages.parts.compare import two_models
from sparsekd.tasks import TASKS


def test_regressions_are_compared_by_distance() -> None:
    gold = np.array([1.0, 2.0, 3.0])
    one, other = np.array([[1.0], [0.0], [4.0]]), np.array([[2.0], [2.0], [2.0]])

    table = two_models.judged(TASKS["demo/similarity"], (one, gold), (other, gold))

    assert list(table["who"]) == ["first", "second", "both"]
