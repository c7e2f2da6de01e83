"""The benchmark of the scores runs on any classifier."""

import numpy as np
import pytest

from sparsekd.bench.scores import masking, measure
from sparsekd.data import Encoded


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_every_ratio_is_measured_on_any_number_of_classes(architecture, classes, tiny):
    draws = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(draws.integers(3, 13, 12))])
    ids = draws.integers(5, 40, offsets[-1]).astype(np.int32)
    labels = draws.integers(0, classes, 12) if classes > 1 else draws.normal(size=12)
    data = Encoded(ids, np.zeros(len(ids), dtype=np.int8), offsets, labels)
    rows = measure(tiny(architecture, classes), data, layers=1, rounds=2)
    assert len({row["what"] for row in rows}) == 6
    assert all(0 < row["ratio"] < np.inf and row["note"] for row in rows)


def test_the_mask_row_says_what_it_measured():
    row = masking(repeats=2)
    assert 0 < row["ratio"] < np.inf
    assert "12 × 3072 neurons" in row["note"]
