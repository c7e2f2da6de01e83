"""How many runs work in parallel."""

from pathlib import Path

import pytest

from sparsekd.scheduler.capacity import parallel_runs
from sparsekd.scheduler.executors import local


@pytest.fixture(autouse=True)
def three_cores(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "cores", lambda: 3)


def test_a_processor_has_a_slot_per_core_and_a_gpu_one() -> None:
    assert parallel_runs("cpu") == 3
    assert parallel_runs("cuda:0") == 1


@pytest.mark.parametrize(("names", "runs"), [(["cuda:0", "cuda:1", "cpu"], 2), (["cpu"], 3)])
def test_auto_takes_all_gpus_and_the_processor_only_without_one(
    home: Path, names: list[str], runs: int
) -> None:
    found = ", ".join(f'{{"name": "{name}", "words": "{name}"}}' for name in names)
    (home / "devices.json").write_text(f"[{found}]")

    assert parallel_runs("auto") == runs
