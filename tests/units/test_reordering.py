"""Removals before and after a shuffle of the data."""

from pathlib import Path

import numpy as np
import pytest

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.units import reordering
from sparsekd.units.jacobians import Jacobian, build

SHAPE, EXAMPLES = (2, 4, 16), 60


@pytest.fixture
def jacobian(tmp_path: Path) -> Jacobian:
    drawn = np.random.default_rng(0)
    values = drawn.normal(size=(EXAMPLES, 1, 2 * (4 + 16))).astype(np.float32)
    logits = drawn.normal(size=(EXAMPLES, 2)).astype(np.float32)

    def fill(rows) -> np.ndarray:
        rows[np.arange(EXAMPLES)] = values
        return logits

    build(tmp_path / "jacobian", fill, drawn.integers(0, 2, EXAMPLES), 2, SHAPE)
    return Jacobian.open(tmp_path / "jacobian")


@pytest.fixture
def student() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(EXAMPLES, 2)).astype(np.float32)


def test_scores_per_example_do_not_depend_on_the_order(jacobian, student):
    params = ScoreParams(aggregate="per_example")

    shares = reordering.shared_removals(jacobian, student, params, 0.5, "layer", shuffles=3)

    np.testing.assert_array_equal(shares, np.ones((3, 2)))


def test_scores_per_batch_share_a_part_of_their_removals(jacobian, student):
    shares = reordering.shared_removals(jacobian, student, ScoreParams(batch_size=8), 0.5, "layer")

    assert shares.shape == (reordering.SHUFFLES, 2)
    assert 0 < shares[:, 1].mean() < 1
