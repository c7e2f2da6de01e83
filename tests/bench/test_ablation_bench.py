"""The benchmark of ablations runs on every architecture and compares equal results."""

import re

import numpy as np

from sparsekd.bench.ablation import measure
from sparsekd.models import architectures
from tests.tiny_data import tiny_data


def test_whole_runs_and_shared_prefixes_are_measured_on_both_depths(architecture, tiny):
    rows = measure(tiny(architecture), tiny_data(12), rounds=2, deep=4)
    assert [re.search(r"of (\d) layers", row["what"])[1] for row in rows] == ["2", "4"]
    for row in rows:
        assert 0 < row["ratio"] < np.inf
        assert float(re.search(r"logits equal to (\S+),", row["note"])[1]) < 1e-5
    assert "12 heads" in rows[1]["note"]


def test_a_deep_teacher_is_measured_alone(tiny):
    model = tiny(layers=3)
    (row,) = measure(model, tiny_data(12), rounds=1, deep=3)
    assert "3 layers" in row["what"]
    assert len(architectures.blocks(model)) == 3
