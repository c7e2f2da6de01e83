"""Overlap of the masks of several seeds, against counting and simulation."""

import math
from pathlib import Path

import numpy as np
import pytest

from sparsekd.studies.sweeps import sweep, sweep_results
from sparsekd.studies.sweeps.sweep_results import overlaps
from tests.studies.sweeps.sweep_results.sample_plan import finished, spec


def test_overlap_is_the_jaccard_index_over_pairs():
    removed = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]], dtype=bool)
    assert overlaps.overlap(removed)[0] == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    assert all(np.isnan(overlaps.overlap(np.zeros((2, 4), dtype=bool))))


def test_chance_is_the_overlap_of_random_sets():
    drawn = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        one, other = (set(drawn.permutation(40)[:size].tolist()) for size in (10, 16))
        found.append(len(one & other) / len(one | other))
    error = np.std(found) / math.sqrt(len(found))
    assert overlaps.expected(40, 10, 16) == pytest.approx(np.mean(found), abs=3 * error)
    assert overlaps.expected(40, 40, 40) == pytest.approx(1)
    assert overlaps.expected(1000, 300, 300) == pytest.approx(0.3 / 1.7, rel=2e-3)
    assert overlaps.expected(30_000, 9_000, 9_000) == pytest.approx(0.3 / 1.7, rel=1e-3)


def test_every_cell_has_the_stability_of_heads_and_of_neurons(home: Path):
    found = sweep_results.stability(finished(sweep.plan(spec())))
    assert found[["lam", "sparsity", "units"]].to_numpy().tolist() == [
        [0, 0.5, "heads"],
        [0, 0.5, "neurons"],
        [1, 0.5, "heads"],
        [1, 0.5, "neurons"],
    ]
    assert set(found["seeds"]) == {2}
    neurons = found[found["units"] == "neurons"]
    assert neurons["overlap"].to_numpy() == pytest.approx(neurons["chance"].to_numpy(), abs=0.15)
