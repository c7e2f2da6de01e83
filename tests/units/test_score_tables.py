"""Scores as matrices, ranks and tables, against values worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sparsekd.units import score_tables
from sparsekd.units.scores import Scores

LAYERS, HEADS, NEURONS = 2, 3, 10


@pytest.fixture
def scores() -> Scores:
    drawn = np.random.default_rng(0)
    shapes = [(LAYERS, HEADS)] * 2 + [(LAYERS, NEURONS)] * 2
    return Scores(*(drawn.gamma(1.5, size=shape) for shape in shapes))


def test_raw_matrices_mix_expressiveness_and_friendliness_by_lambda(scores):
    heads, neurons = score_tables.matrices(scores, 0.25, "none")

    np.testing.assert_allclose(heads["E"], scores.head_expressiveness)
    np.testing.assert_allclose(neurons["F"], scores.neuron_friendliness)
    np.testing.assert_allclose(heads["K"], heads["E"] / 4 + heads["F"] * 3 / 4)


def test_normalised_layers_have_norm_one(scores):
    heads, neurons = score_tables.matrices(scores, 0.5)

    for matrix in (heads["E"], heads["F"], neurons["E"], neurons["F"]):
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, rtol=1e-6)


def test_the_rank_correlation_is_spearman_s():
    drawn = np.random.default_rng(1)
    one, other = drawn.integers(0, 4, (3, 5)).astype(float), drawn.random((3, 5))

    expected = stats.spearmanr(one.ravel(), other.ravel()).statistic
    assert score_tables.rank_correlation(one, other) == pytest.approx(expected)
    assert np.isnan(score_tables.rank_correlation(np.ones((2, 2)), other[:2, :2]))


def test_a_row_per_unit_counts_from_one():
    table = score_tables.per_unit({"E": np.array([[1.0, 2.0], [3.0, 4.0]])}, "head")

    assert table.to_dict("list") == {
        "layer": [1, 1, 2, 2],
        "head": [1, 2, 1, 2],
        "E": [1.0, 2.0, 3.0, 4.0],
    }


def test_a_row_per_layer_has_mean_and_largest():
    table = score_tables.per_layer({"E": np.array([[1.0, 2.0], [3.0, 5.0]])})

    assert table.to_dict("list") == {"layer": [1, 2], "E, mean": [1.5, 4.0], "E, largest": [2, 5]}


def test_the_csv_reads_back(tmp_path):
    matrices = {"E": np.array([[0.1, 0.2]]), "F": np.array([[1.0, 3.0]])}
    path = tmp_path / "neurons.csv"
    path.write_bytes(score_tables.csv(matrices, "neuron"))

    read = pd.read_csv(path)
    pd.testing.assert_frame_equal(read, score_tables.per_unit(matrices, "neuron"))


def test_bins_are_means_of_the_sorted_values():
    values = np.random.default_rng(0).random((2, 10)).astype(np.float32)

    bins = score_tables.sorted_bins(values, 4)

    ordered = np.sort(values, axis=1)[:, ::-1]
    parts = [ordered[:, 0:2], ordered[:, 2:5], ordered[:, 5:7], ordered[:, 7:10]]
    expected = np.stack([part.mean(axis=1) for part in parts], axis=1)
    np.testing.assert_allclose(bins, expected, rtol=1e-6)


def test_as_many_bins_as_values_are_the_sorted_values():
    values = np.array([[1.0, 3.0, 2.0]])

    np.testing.assert_array_equal(score_tables.sorted_bins(values, 5), [[3.0, 2.0, 1.0]])
