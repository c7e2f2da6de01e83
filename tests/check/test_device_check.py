"""The check of a device: it passes on the processor, and finds faults that are planted."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsekd.__main__ import main
from sparsekd.check import CheckRow, Difference, NotRun, differences, suite
from sparsekd.errors import BadInput, NotFound
from sparsekd.knowledge import ablation, masked, scores
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.runs import device_checks, store

# Loading the exporter alone takes longer than all the rest; its own tests run it.
SLOW = "export: onnx"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the test's own, with a real queue."""
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return tmp_path


def test_every_step_passes_on_the_processor(home: Path):
    done: list[int] = []
    wanted = [name for name in suite.steps() if name != SLOW]
    rows = suite.check("cpu", lambda row, number, total: done.append(number), wanted)
    wrong = [(row.step, row.words(), row.log) for row in rows if row.status != "ok"]
    assert wrong == []
    assert done == list(range(1, len(wanted) + 1))
    for row in rows:
        assert all(np.isfinite(each.value) for each in row.differences), row.step
        assert row.differences, row.step
    assert store.home() == home
    assert list(home.iterdir()) == [home / device_checks.LOCK]  # all else was temporary


def test_three_planted_faults_are_found_each_in_its_step(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    kept: list[torch.Tensor] = []

    def leaves_memory(teacher, *rest, run=ablation.ablate):
        kept.append(torch.zeros(2**18))  # 1 MiB
        return run(teacher, *rest)

    def gates_elsewhere(gates, make=masked._gate_input):
        return make(gates.to("meta"))  # as on the processor while the model is on a GPU

    monkeypatch.setattr(scores, "PassOptions", partial(PassOptions, precision="bfloat16"))
    monkeypatch.setattr(masked, "_gate_input", gates_elsewhere)
    monkeypatch.setattr(ablation, "ablate", leaves_memory)
    steps = ("scores: per_batch", "Jacobian", "masked teachers: stacked", "ablation")
    rows = {row.step: row for row in suite.check("cpu", only=steps)}

    wrong_format = rows["scores: per_batch"]
    assert (wrong_format.status, wrong_format.precision) == ("differs", "bfloat16")
    assert "other number formats (bfloat16)" in wrong_format.words()
    elsewhere = rows["masked teachers: stacked"]
    assert elsewhere.status == "failed"
    assert "device" in elsewhere.why
    assert "masked.py" in elsewhere.log
    left = rows["ablation"]
    assert left.status == "differs"
    assert left.worst is not None and left.worst.what.startswith("memory left behind")
    assert left.worst.value == pytest.approx(2.0, abs=0.1)  # once on either side
    assert rows["Jacobian"].status == "ok"


def planted(monkeypatch: pytest.MonkeyPatch, **values: float | str) -> None:
    """Steps that end at once: with a difference, or not run for a reason."""

    def step(_shop, value):
        if isinstance(value, str):
            raise NotRun(value)
        yield Difference("logits", value, 0.5, "by hand")

    made = {name: partial(step, value=value) for name, value in values.items()}
    monkeypatch.setattr(suite, "steps", lambda: made)


def test_the_exit_code_tells_whether_something_is_wrong_and_the_result_is_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    planted(monkeypatch, near=0.1, absent="captum is not installed")
    assert main(["check", "--device", "cpu"]) == 0
    assert "not run" in capsys.readouterr().out
    kept = device_checks.load("cpu")
    assert kept is not None and kept.passed
    assert (kept.ok, kept.not_run, kept.torch) == (1, 1, str(torch.__version__))

    planted(monkeypatch, near=0.1, far=0.7, unknown=float("nan"))
    assert main(["check", "--device", "cpu", "--json"]) == 1
    assert '"difference": 0.7' in capsys.readouterr().out
    kept = device_checks.load("cpu")
    assert kept is not None and not kept.passed
    assert (kept.ok, kept.differ) == (1, 2)
    assert device_checks.progress() is None


def test_an_unknown_device_or_step_is_refused(home: Path):
    with pytest.raises(NotFound, match="There is no device 'cuda:9'"):
        suite.check("cuda:9")
    with pytest.raises(NotFound, match="There is no step 'ablatoin'"):
        suite.check("cpu", only=["ablatoin"])


def test_the_users_store_is_the_store_again_after_an_error(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(_shop):
        raise KeyboardInterrupt

    monkeypatch.setattr(suite, "steps", lambda: {"stop": stop})
    monkeypatch.setenv("SPARSEKD_SLOTS", "cpu=7")
    with pytest.raises(KeyboardInterrupt):
        suite.check("cpu")
    assert store.home() == home
    assert os.environ["SPARSEKD_SLOTS"] == "cpu=7"
    assert device_checks.load("cpu") is None


def test_a_second_check_is_refused_while_one_is_at_work(home: Path):
    with device_checks.at_work("cpu") as report:
        report(3, 9, "mask")
        found = device_checks.progress()
        assert found == device_checks.CheckProgress("cpu", 3, 9, "mask", alive=True)
        with pytest.raises(BadInput, match="A check of a device is at work"):
            suite.check("cpu", only=["mask"])


def test_a_check_whose_process_died_is_not_at_work(home: Path):
    device_checks.report(home, device_checks.CheckProgress("cpu", 3, 9, "mask"))
    found = device_checks.progress()
    assert found is not None and not found.alive


def test_the_worst_difference_is_the_largest_share_of_its_tolerance():
    near, far = Difference("a", 5.0, 10.0, ""), Difference("b", 0.9, 1.0, "")
    none = Difference("c", 0.0, 0.0, "")
    assert CheckRow("step", "ok", differences=(near, far, none)).worst is far
    lost = Difference("d", float("nan"), 1.0, "")
    assert CheckRow("step", "differs", differences=(near, lost)).worst is lost
    assert not lost.within


def test_differences_by_hand():
    one, other = np.array([[3.0, 4.0]]), np.array([[3.0, 0.0]])
    assert differences.relative("x", one, other, "float32").value == pytest.approx(4 / 3)
    assert np.isnan(differences.relative("x", one[:, :1], other, "exact").value)
    assert differences.ranks("x", np.arange(5), np.arange(5)[::-1], "exact").value == 2.0
    flags = np.array([True, False, True, True])
    assert differences.units("x", flags, ~flags, "exact").value == 1.0
    answers = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    found = differences.right_answers("x", answers, 1 - answers, np.array([0, 0, 1, 0]), "exact")
    assert found.value == 2.0  # three right answers against one
