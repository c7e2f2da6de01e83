"""Every benchmark whose operations can be counted says which share of the peak it reaches."""

import pytest
import torch

from sparsekd.bench import ablation, distillation, finetuning, line, prediction, probe, scores
from sparsekd.bench.peak import Peak
from tests.tiny_data import tiny_card, tiny_data

PEAK = Peak(torch.device("cpu"), float32=1e12, bfloat16=1e12, bandwidth=1e9)
MEASURED = {
    "scores": lambda model, data: scores.measure(model, data, 1, rounds=2, peak=PEAK)[:3],
    "predictions": lambda model, data: prediction.measure(model, data, rounds=1, peak=PEAK),
    "finetuning": lambda model, data: finetuning.measure(
        model, data, tiny_card(), 8, rounds=1, peak=PEAK
    )[:1],
    "distillation": lambda model, data: distillation.measure(
        model, data, tiny_card(), 1, 8, rounds=1, peak=PEAK
    )[:1],
    "ablation": lambda model, data: ablation.measure(model, data, rounds=1, deep=2, peak=PEAK),
    "probe": lambda model, data: probe.measure(model, data, rounds=1, examples=6, peak=PEAK),
}


@pytest.mark.parametrize("name", MEASURED)
def test_a_share_stands_beside_the_ratio(name, tiny):
    for row in MEASURED[name](tiny(neurons=160), tiny_data(12)):
        assert row["ratio"] > 0
        assert 0 < row["share"] < 0.5, row
        assert "of the peak" in line(row)


def test_a_row_without_a_count_of_operations_has_no_share():
    assert "peak" not in line({"what": "one / other", "ratio": 2.0, "note": "here"})
