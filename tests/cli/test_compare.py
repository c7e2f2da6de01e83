"""The command `compare` on a tiny task."""

import json
from pathlib import Path
from typing import Any

import pytest

from sparsekd.__main__ import main
from tests.cli.test_cli import QUICK
from tests.workshop import checkpoint_folder, command, task_folder

METHODS = "fine_tuning,vanilla,vanilla:sparse_teacher,vanilla:random_mask,vanilla:assistant"
SMALL = ["--student-layers", "2", "--epochs", "1", "--round-to", "1", "--sparsity", "0.25"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    task_folder(folder / "task")
    checkpoint_folder(folder / "checkpoint", layers=4)
    return folder


def compare(place: Path, *words: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """One comparison's JSON, and what was said beside it."""
    about = ["--task", str(place / "task"), "--teacher", str(place / "checkpoint")]
    said = command(place / "home", "compare", *about, *QUICK, *SMALL, "--json", *words, code=code)
    return json.loads(said.stdout), said.stderr


@pytest.fixture(scope="module")
def compared(place: Path) -> dict[str, Any]:
    return compare(place, "--methods", METHODS, "--seeds", "2")[0]


def test_every_method_and_seed_has_a_row_with_its_cost(compared: dict[str, Any]):
    rows = compared["rows"]
    names = METHODS.split(",")
    assert [(row["seed"], row["method"]) for row in rows] == [(s, n) for s in (0, 1) for n in names]
    for row in rows:
        assert 0 <= row["metrics"]["accuracy"] <= 1
        assert row["steps"] == rows[0]["steps"] > 0
        assert row["seconds"] > 0
    extra = {row["method"]: row["extra_steps"] for row in rows}
    steps = rows[0]["steps"]
    assert extra == dict.fromkeys(names, 0) | {
        "vanilla:sparse_teacher": steps,
        "vanilla:assistant": steps,
    }


def test_differences_are_told_against_both_baselines(compared: dict[str, Any]):
    assert set(compared["differences"]) == {"vanilla", "fine_tuning"}
    assert compared["baseline"] == "vanilla"
    for rows in compared["differences"].values():
        assert len(rows) == 4
        assert all(row["words"].startswith("inconclusive: 2 of") for row in rows)
    assert [entry["role"] for entry in compared["teachers"]] == ["teacher"]


def test_agreement_calibration_and_classes_come_from_stored_answers(compared: dict[str, Any]):
    rows = {(row["role"], row["seed"], row["teacher"]): row for row in compared["agreement"]}
    assert set(rows) == {
        *((name, seed, "teacher") for name in METHODS.split(",") for seed in (0, 1)),
        *(("sparse_teacher", seed, "teacher") for seed in (0, 1)),
        *(("vanilla:sparse_teacher", seed, "sparse_teacher") for seed in (0, 1)),
        *(("vanilla:random_mask", seed, "random_mask_teacher") for seed in (0, 1)),
        *(("vanilla:assistant", seed, "assistant") for seed in (0, 1)),
    }
    assert not rows["fine_tuning", 0, "teacher"]["learned"]
    assert {row["teacher_accuracy"] for row in rows.values() if row["teacher"] == "teacher"} == {
        compared["teachers"][0]["metrics"]["validation"]["accuracy"]
    }
    accuracy = {row["run"]: row["metrics"]["accuracy"] for row in compared["rows"]}
    of_students = {row["run"]: row["accuracy"] for row in compared["calibration"]}
    assert {run: of_students[run] for run in accuracy} == pytest.approx(accuracy)
    changes = {(each["before"], each["after"]): each for each in compared["class_changes"]}
    assert ("teacher", "sparse_teacher") in changes
    assert all(row["seeds"] == 2 for row in changes["teacher", "vanilla"]["classes"])


def test_the_same_comparison_again_repeats_nothing(place: Path, compared: dict[str, Any]):
    again, _ = compare(place, "--methods", METHODS, "--seeds", "2")
    assert again == compared


def test_one_that_fails_leaves_the_others_and_is_told(place: Path, compared: dict[str, Any]):
    words = ["--methods", "knowledge_selection,vanilla", "--set", "knowledge_selection.phases=999"]
    found, said = compare(place, *words, code=2)
    assert [row["method"] for row in found["rows"]] == ["vanilla"]
    assert found["unfinished"][0]["method"] == "knowledge_selection"
    assert "999 phases do not fit" in found["unfinished"][0]["reason"]
    header, selection = [
        line for line in said.splitlines() if "decisions" in line or "3996" in line
    ]
    assert header.split()[-2:] == ["random", "decisions"]
    assert selection.split()[-3:] == [str(4 * 1000), str(4 * 999), str(2 * 999)]
    assert said.strip().splitlines()[-1].startswith("Not finished: knowledge_selection")


def test_a_checkpoint_named_twice_is_two_teachers(place: Path):
    twice = ["--teacher", str(place / "checkpoint")]
    found, _ = compare(place, "--methods", "teacher_selection:ensemble", *twice)
    assert found["rows"][0]["teachers"] == ["teacher", "teacher_2"]
    assert len({entry["run"] for entry in found["teachers"]}) == 2


@pytest.mark.parametrize(
    ("words", "wrong", "advice"),
    [
        (["--methods", "vanila"], "no method 'vanila'", "vanilla"),
        (["--methods", "vanilla", "--seeds", "0"], "seeds = 0", "Five"),
        (["--methods", ""], "needs a method", "--methods"),
        (["--methods", "vanilla", "--set", "vanilla.alpha=7"], "alpha = '7'", "Weight"),
        (["--methods", "vanilla", "--set", "vanilla.alpa=1"], "no parameter 'alpa'", "alpha"),
        (["--methods", "vanilla", "--set", "alpha"], "METHOD.PARAMETER=VALUE", "vanilla.alpha"),
        (["--methods", "vanilla", "--tune", "alpha"], "not PARAMETER=A,B", "learning_rate="),
        (["--methods", "vanilla", "--tune", "alpha=0.5"], "nothing to choose from", "--tune alpha"),
        (["--methods", "vanilla", "--tune", "alpah=0.2,0.5"], "no number to tune", "alpha"),
        (["--methods", "teacher_selection", "--teacher", "demo:"], "not 1", "--teacher B"),
        (["--methods", "knowledge_selection", "--student-layers", "3"], "the student 3", "2 or 4"),
        (["--methods", "vanilla", "--teacher", "demo:bert"], "no demo checkpoint", "demo:"),
        ([], "required: --methods", "--help"),
    ],
)
def test_bad_words_leave_as_one_line_before_anything_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    wrong: str,
    advice: str,
):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    assert main(["compare", "--task", "demo/sentiment", *words]) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.strip().splitlines() if not line.startswith("Task ")]
    assert said.out == ""
    assert len(lines) == 1
    assert wrong in lines[0]
    assert advice in lines[0]
    assert not (tmp_path / "runs").exists()
