"""The command `ablate` on real files."""

import json
from pathlib import Path

import numpy as np
import pytest

from sparsekd.__main__ import main
from tests.workshop import checkpoint_folder, command, task_folder

QUICK = ["--max-length", "16", "--learning-rate", "0.003", "--epochs", "1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    task_folder(folder / "task")
    checkpoint_folder(folder / "checkpoint")
    words = ["--task", str(folder / "task"), "--checkpoint", str(folder / "checkpoint"), *QUICK]
    command(folder / "home", "finetune", *words, "--out", str(folder / "teacher"))
    return folder


def test_ablate_writes_what_it_says_and_the_second_time_nothing_is_measured(place: Path) -> None:
    words = ["--teacher", str(place / "teacher"), "--task", str(place / "task"), "--max-length"]
    words += ["16", "--split", "validation", "--student", str(place / "teacher")]
    words += ["--examples", "40", "--neuron-groups", "3", "--layer", "1"]
    words += ["--out", str(place / "ablation.npz"), "--json"]
    told = json.loads(command(place / "home", "ablate", *words).stdout)
    with np.load(place / "ablation.npz") as found:
        shapes = {name: found[name].shape for name in found.files}
        assert shapes["head_task_loss"] == shapes["head_metric"] == shapes["head_distance"]
        assert shapes["head_task_loss"] == (2, 2)
        assert shapes["group_task_loss"] == (2, 3)
        assert shapes["neuron_metric"] == shapes["groups"][1:] == (24,)
        # The student is the teacher itself: any removal leads away from it.
        assert found["dense"][2] == pytest.approx(0, abs=1e-9)
        assert (found["head_distance"] > 0).all()
        worst = np.unravel_index(np.abs(found["head_task_loss"]).argmax(), (2, 2))
        provenance = json.loads(str(found["provenance"]))
    assert (told["examples"], told["removals"], told["metric"]) == (40, 4 + 6 + 24, "accuracy")
    largest = told["largest"]["task_loss"]
    assert (largest["layer"], largest["head"]) == worst
    assert provenance["split"] == "validation"
    again = json.loads(command(place / "home", "ablate", *words).stdout)
    assert again == told
    listed = json.loads(command(place / "home", "runs", "list", "--json").stdout)
    assert [entry["stage"] for entry in listed].count("ablate") == 1


@pytest.mark.parametrize(
    ("more", "wrong", "advice"),
    [
        (["--neuron-groups", "0"], "neuron_groups = 0", "Groups"),
        (["--layer", "-1"], "neuron_layer = -1", "Also remove"),
        (["--scores-run", "0123456789ab"], "no run '0123456789ab'", "Known"),
        (["--split"], "expected one argument", "--help"),
    ],
)
def test_bad_words_leave_as_one_line(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    wrong: str,
    advice: str,
) -> None:
    monkeypatch.setenv("SPARSEKD_HOME", str(place / "home"))
    words = ["ablate", "--teacher", str(place / "teacher"), "--task", str(place / "task")]
    assert main([*words, "--out", str(place / "none.npz"), *more]) == 2
    said = capsys.readouterr()
    (line,) = [line for line in said.err.strip().splitlines() if not line.startswith("Task ")]
    assert wrong in line
    assert advice in line


def test_a_run_that_is_no_scoring_run_ranks_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPARSEKD_HOME", str(place / "home"))
    assert main(["runs", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    teacher = next(entry["id"] for entry in listed if entry["stage"] == "finetune")
    words = ["ablate", "--teacher", teacher, "--task", str(place / "task"), "--scores-run", teacher]
    assert main([*words, "--out", str(place / "none.npz")]) == 2
    assert f"Run {teacher} is a finetune run, not score" in capsys.readouterr().err
