"""The bench of many students: it trains what it says, and what is remembered follows a rule."""

import numpy as np
import pytest

from sparsekd.bench.students import Bench, Setting, fastest, measure, ways
from sparsekd.catalog.parameters import TrainParams
from sparsekd.runs import references, stacking
from tests.workshop import checkpoint_folder, task_folder


@pytest.fixture
def setting(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    card = references.task(str(task_folder(tmp_path / "task")))
    checkpoint = references.model(str(checkpoint_folder(tmp_path / "checkpoint")))
    return Setting(checkpoint, card, 1, TrainParams(epochs=2, batch_size=16, max_length=16))


def test_every_way_is_measured_in_a_process_and_the_fastest_remembered(setting):
    rows = measure(setting, [(1, 1), (1, 3)], rounds=1)
    assert [row["what"].split(" (")[0] for row in rows] == [
        "students: 1 × 1 / 1 × 1",
        "students: 1 × 3 / 1 × 1",
    ]
    assert rows[0]["ratio"] == 1 and rows[1]["ratio"] > 0
    found = stacking.remembered()["cpu"]
    assert found["width"] == 16 and set(found["students_per_hour"]) == {"1 × 1", "1 × 3"}
    steps = 2 * -(-Bench(setting).data.labels.size // 16)
    assert all(f"1 layers of 16 columns, {steps} steps of 16 texts" in row["note"] for row in rows)
    assert sum("(remembered)" in row["note"] for row in rows) == 1


def test_a_step_of_the_bench_moves_the_weights_of_every_student(setting):
    bench = Bench(setting)
    alone = bench.lesson(1).args[0]
    crew = bench.lesson(3).args[0]
    models = [each.lesson.model for each in (alone, *crew.courses.values())]
    before = [each.classifier.weight.detach().clone().numpy() for each in models]
    assert bench.rate(bench.lesson(1), 1) > 0
    crew.step()
    alone.step()
    for model, weight in zip(models, before, strict=True):
        assert np.abs(model.classifier.weight.detach().numpy() - weight).max() > 0


def test_the_smallest_group_that_is_as_good_as_the_fastest_is_chosen():
    assert fastest({(1, 1): 100.0, (2, 1): 190.0, (2, 4): 195.0, (2, 8): 150.0}) == (2, 1)
    assert fastest({(1, 1): 100.0, (1, 4): 400.0, (1, 8): 700.0, (1, 16): 720.0}) == (1, 8)


def test_one_by_one_in_one_process_comes_first_on_every_device():
    assert ways("cpu", 2)[0] == ways("cuda:0", 16)[0] == (1, 1)
    assert {slots for slots, _ in ways("cpu", 1)} == {1}
    assert max(ways("cpu", 6)) == (6, 8)
