"""The commands `export` and `latency`."""

import json
from pathlib import Path

import numpy as np
import pytest

from sparsekd.__main__ import main
from sparsekd.units.masking import Mask
from tests.workshop import checkpoint_folder, command, processor_only


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A model and a mask that fits it."""
    heads, neurons = np.ones((2, 2), bool), np.ones((2, 24), bool)
    heads[0, 1], neurons[1, :8] = False, False
    Mask(heads, neurons).save(tmp_path / "mask.npz")
    model = checkpoint_folder(tmp_path / "model")
    return ["--model", str(model), "--mask", str(tmp_path / "mask.npz")]


def test_an_export_says_what_it_wrote(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", *words, "--format", "pruned", "--out", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["parameters"] < facts["parameters_before"]
    assert facts["checked"]["largest_difference"] < 1e-4
    assert set(facts["files"]) == {each.name for each in out.iterdir()}
    assert {"load_pruned.py", "README.md", "recipe.json"} <= set(facts["files"])


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        (["--format", "onix", "--out", "x"], "no format 'onix'. Did you mean onnx?"),
        (["--model", "/nowhere", "--out", "x"], "no folder /nowhere"),
        (["--mask", "/none.npz", "--out", "x"], "no file /none.npz"),
        (["--mask", "OTHER", "--out", "x"], "(2, 25)"),
        ([], "required: --out"),
    ],
)
def test_bad_words_leave_as_one_line_and_code_2(
    tmp_path: Path,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    wrong: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Mask.full((2, 2, 25)).save(tmp_path / "OTHER")
    assert main(["export", *words, *more]) == 2
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if line != "loading"]
    assert len(lines) == 1
    assert wrong in lines[0]
    assert not (tmp_path / "x").exists()


def test_latency_measures_in_a_run_and_finds_it_again(home: Path, words: list[str]) -> None:
    words = ["latency", *words, "--device", "cpu", "--batch-sizes", "1,2", "--tokens", "4"]
    answers = [command(home, *words, "--rounds", "3", "--json").stdout for _ in range(2)]
    assert answers[0] == answers[1]
    found = json.loads(answers[0])
    assert [(row["variant"], row["batch"]) for row in found["rows"]] == [
        (name, batch) for batch in (1, 2) for name in ("dense", "masked", "pruned")
    ]
    assert found["device"] == "cpu"
    assert len(list((home / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("more", "wrong"),
    [(["--batch-sizes", "0"], "1 and 1024"), (["--tokens", "1"], "2 and 8192"),
     (["--device", "cpy"], "no device 'cpy'"), (["--rounds", "1"], "rounds = 1")],
)  # fmt: skip
def test_sizes_out_of_range_are_refused(
    home: Path, words: list[str], capsys: pytest.CaptureFixture[str], more: list[str], wrong: str
) -> None:
    processor_only(home)
    assert main(["latency", *words, *more]) == 2
    assert wrong in capsys.readouterr().err
