"""The benchmark compares every method with fine-tuning."""

import numpy as np

from sparsekd.bench.methods import PLAIN, measure
from sparsekd.catalog.methods import METHODS
from tests.tiny_data import tiny_card, tiny_data


def test_every_method_is_measured_with_its_setting(tiny):
    rows = measure(tiny(layers=4), tiny_data(64), tiny_card(), 2, batch_size=8, batches=3, epochs=4)
    named = {row["what"]: row for row in rows}
    assert set(named) == {f"steps of {name} / steps of {PLAIN}" for name in METHODS} - {
        f"steps of {PLAIN} / steps of {PLAIN}"
    }
    for row in rows:
        assert np.isfinite(row["ratio"]) and row["ratio"] > 0
        assert "batch 8, 4 → 2 layers, 24 texts" in row["note"]


def test_a_method_that_does_not_fit_says_why_instead(tiny):
    rows = measure(tiny(layers=3), tiny_data(64), tiny_card(), 2, batch_size=8, batches=2, epochs=2)
    refused = [row for row in rows if np.isnan(row["ratio"])]
    assert all("layers" in row["note"] for row in refused)
