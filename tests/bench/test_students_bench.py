"""The benchmark of many students: what is trained, and which layout is stored."""

import numpy as np
import pytest

from sparsekd.bench.student_benchmark import Setting, StudentBenchmark
from sparsekd.bench.students import fastest, layouts, measure
from sparsekd.catalog.parameters import TrainParams
from sparsekd.runs import references, stacking
from tests.workshop import checkpoint_folder, task_folder


@pytest.fixture
def setting(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    card = references.task(str(task_folder(tmp_path / "task")))
    checkpoint = references.model(str(checkpoint_folder(tmp_path / "checkpoint")))
    return Setting(checkpoint, card, 1, TrainParams(epochs=2, batch_size=16, max_length=16))


def test_every_layout_is_measured_in_a_process_and_the_fastest_stored(setting):
    rows = measure(setting, [(1, 1), (1, 3)], rounds=1)
    assert [row["what"].split(" (")[0] for row in rows] == [
        "students: 1 × 1 / 1 × 1",
        "students: 1 × 3 / 1 × 1",
    ]
    assert rows[0]["ratio"] == 1 and rows[1]["ratio"] > 0
    found = stacking.load_settings()["cpu"]
    assert found["width"] == 16 and set(found["students_per_hour"]) == {"1 × 1", "1 × 3"}
    steps = 2 * -(-StudentBenchmark(setting).data.labels.size // 16)
    assert all(f"1 layers of 16 columns, {steps} steps of 16 texts" in row["note"] for row in rows)
    assert sum("(remembered)" in row["note"] for row in rows) == 1


def test_a_step_of_the_benchmark_moves_the_weights_of_every_student(setting):
    benchmark = StudentBenchmark(setting)
    single, stacked = benchmark.take_step(1), benchmark.take_step(3)
    trainers = [single.args[0], *stacked.args[0].trainers.values()]
    models = [trainer.job.model for trainer in trainers]
    before = [each.classifier.weight.detach().clone().numpy() for each in models]
    assert benchmark.rate(single, 1) > 0
    stacked()
    for model, weight in zip(models, before, strict=True):
        assert np.abs(model.classifier.weight.detach().numpy() - weight).max() > 0


def test_the_smallest_stack_within_five_percent_of_the_fastest_is_chosen():
    assert fastest({(1, 1): 100.0, (2, 1): 190.0, (2, 4): 195.0, (2, 8): 150.0}) == (2, 1)
    assert fastest({(1, 1): 100.0, (1, 4): 400.0, (1, 8): 700.0, (1, 16): 720.0}) == (1, 8)


def test_one_by_one_in_one_process_comes_first_on_every_device():
    assert layouts("cpu", 2)[0] == layouts("cuda:0", 16)[0] == (1, 1)
    assert {slots for slots, _ in layouts("cpu", 1)} == {1}
    assert max(layouts("cpu", 6)) == (6, 8)
