"""The benchmark of masked teachers compares equal results on both of its grids."""

import re

import numpy as np

from sparsekd.bench.probe import grid, measure
from tests.tiny_data import tiny_data


def test_both_strategies_are_measured_against_a_model_for_each_mask(tiny):
    rows = measure(tiny(hidden=12, neurons=160), tiny_data(12), rounds=2, examples=6)
    assert [row["what"].rpartition("/ ")[2] for row in rows] == ["sliced", "stacked"] * 2
    for row in rows:
        assert 0 < row["ratio"] < np.inf
        assert float(re.search(r"logits equal to (\S+),", row["note"])[1]) < 1e-5
        assert "2 rounds of 6 texts" in row["note"]


def test_the_grid_is_five_lambdas_by_ten_sparsities():
    masks = grid((2, 4, 80))
    assert len(masks) == 50
    assert [int(mask.heads.sum()) for mask in masks[:10]] == [8, 7, 6, 6, 5, 4, 3, 2, 2, 1]
    assert all(mask.neurons.all() for mask in grid((2, 4, 80), neurons=0.0))
