"""A measurement in words claims a difference only where there is one."""

from pathlib import Path

import pandas as pd
import pytest

from sparsekd.catalog.stage_parameters import MeasureParams
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import measurements, store
from sparsekd.runs.records import Run
from sparsekd.studies import recipes


def row(variant: str, low: float, middle: float, high: float, batch: int = 1) -> dict[str, object]:
    known = dict.fromkeys(measurements.COLUMNS, 1.0)
    speed = {"speedup_low": low, "speedup": middle, "speedup_high": high}
    return known | {"variant": variant, "batch": batch, "tokens": 32, "milliseconds": 2.5} | speed


def test_a_speed_up_is_said_with_its_sizes() -> None:
    rows = pd.DataFrame([row("dense", 1, 1, 1), row("pruned", 1.3, 1.42, 1.5)])
    assert measurements.sentences(rows) == [
        "Batch 1, 32 tokens: the pruned model is 1.42 × as fast as the dense one "
        "(middle half of the rounds 1.30 to 1.50 ×)."
    ]


def test_a_middle_half_around_one_is_unclear_and_not_called_equal() -> None:
    rows = pd.DataFrame([row("dense", 1, 1, 1), row("pruned", 0.97, 1.04, 1.1)])
    assert measurements.sentences(rows) == [
        "Batch 1, 32 tokens: no clear difference between pruned and dense "
        "(middle half of the rounds 0.97 to 1.10 ×)."
    ]


def test_a_slower_model_is_called_so_by_its_number() -> None:
    rows = pd.DataFrame([row("dense", 1, 1, 1), row("pruned", 0.7, 0.8, 0.9)])
    assert "0.80 × as fast" in measurements.sentences(rows)[0]


def test_one_model_alone_is_compared_with_nothing() -> None:
    assert measurements.sentences(pd.DataFrame([row("dense", 1, 1, 1)])) == []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return store.create(recipes.measure("", "folder:x#1", MeasureParams(), "cpu"))


def test_a_table_comes_back_as_it_was(run: Run) -> None:
    rows = pd.DataFrame([row("dense", 1, 1, 1)])[list(measurements.COLUMNS)]
    measurements.save(run.folder, rows)
    pd.testing.assert_frame_equal(measurements.table(run), rows)


def test_a_missing_or_broken_table_is_told(run: Run) -> None:
    with pytest.raises(NotFound, match=run.id):
        measurements.table(run)
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / measurements.FILE).write_bytes(b"PAR1 not really")
    with pytest.raises(BadInput, match="damaged"):
        measurements.table(run)
