"""The estimate of peak memory is an upper bound, and not much more."""

import pytest

from sparsekd.bench import memory
from sparsekd.runs.peak_memory import UNCERTAIN
from sparsekd.tasks import TASKS


@pytest.mark.parametrize(("batch", "length"), [(32, 64), (4, 16), (64, 16)])
def test_the_estimate_is_between_the_peak_and_twice_the_peak(batch: int, length: int):
    """Against the record of every allocation: predict, scores and three trainings."""
    rows = list(memory.rows(TASKS["demo/sentiment"], "cpu", memory.DEMO, batch, length))
    assert len(rows) == 5
    for row in rows:
        assert 1 <= row["ratio"] <= UNCERTAIN, row


def test_the_peak_is_that_of_what_is_alive_at_once():
    import torch

    def work() -> None:
        for _ in range(3):  # one after another
            torch.zeros(1 << 20)
        kept = [torch.zeros(1 << 20) for _ in range(2)]
        del kept

    peak = memory.peak_bytes(work, "cpu")
    assert 2 * 4 * 2**20 <= peak < 2.1 * 4 * 2**20
