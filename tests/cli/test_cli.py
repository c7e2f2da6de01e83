"""The command line on real files; its processes and its queue in the last test."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sparsekd.__main__ import main
from sparsekd.catalog.rankings import CONTROLS
from sparsekd.runs import jobs, store
from sparsekd.runs.records import State
from tests.workshop import checkpoint_folder, command, processor_only, task_folder

ROOT = Path(__file__).parents[2]
QUICK = ["--max-length", "16", "--learning-rate", "0.003", "--batch-size", "16"]
STUDY = ["--student-layers", "1", "--epochs", "2", "--round-to", "1", "--sparsity", "0.25"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    task_folder(folder / "task")
    checkpoint_folder(folder / "checkpoint")
    return folder


@pytest.fixture(scope="module")
def study(place: Path) -> dict[str, Any]:
    """A whole study from the command line; the other tests look at what it left."""
    words = ["--task", str(place / "task"), "--teacher", str(place / "checkpoint")]
    return json.loads(command(place / "home", "study", *words, *QUICK, *STUDY, "--json").stdout)


def test_a_study_reports_its_six_roles_on_validation(study: dict[str, Any]):
    roles = [row["role"] for row in study["rows"]]
    assert roles == [
        *("teacher", "plain_student", "trial_student"),
        *("sparse_teacher", "student", "random_mask_student"),
    ]
    for row in study["rows"]:
        assert row["split"] == "validation"
        assert 0 <= row["metrics"]["accuracy"] <= 1
        assert row["seconds"] > 0
    sizes = {row["role"]: row["parameters"] for row in study["rows"]}
    assert sizes["student"] < sizes["sparse_teacher"] < sizes["teacher"]
    assert study["comparisons"][0]["verdict"].startswith("inconclusive")


def test_the_same_study_again_repeats_nothing(place: Path, study: dict[str, Any]):
    words = ["--task", str(place / "task"), "--teacher", str(place / "checkpoint")]
    again = json.loads(command(place / "home", "study", *words, *QUICK, *STUDY, "--json").stdout)
    assert again == study
    listed = json.loads(command(place / "home", "runs", "list", "--json").stdout)
    assert len(listed) == 8
    assert {entry["state"] for entry in listed} == {"done"}


def ids(study: dict[str, Any]) -> dict[str, str]:
    return {row["role"]: row["run"] for row in study["rows"]}


def test_score_mask_prune_and_evaluate_by_files(place: Path, study: dict[str, Any]):
    home, names = place / "home", ids(study)
    scores, mask, pruned = place / "scores.npz", place / "mask.npz", place / "pruned"
    words = ["--teacher", names["teacher"], "--student", names["trial_student"], "--task"]
    words += [str(place / "task"), "--split", "selection", "--batch-size", "32"]
    words += ["--aggregate", "per_batch", "--friendliness", "soft_ce", "--max-length", "16"]
    command(home, "score", *words, "--out", str(scores))
    with np.load(scores) as found:
        assert found["head_expressiveness"].shape == (2, 2)
        assert found["neuron_friendliness"].shape == (2, 24)
        assert found["head_expressiveness"].dtype == np.float32
        provenance = json.loads(str(found["provenance"]))
    assert provenance["split"] == "selection"
    assert provenance["batch_size"] == 32
    command(home, "mask", "--scores", str(scores), "--lam", "0.5", "--sparsity", "0.25",
        "--round-to", "1", "--out", str(mask))  # fmt: skip
    with np.load(mask) as found:
        assert found["heads"].dtype == found["neurons"].dtype == bool
        assert (found["heads"].sum(), found["neurons"].sum()) == (3, 36)
    command(home, "prune", "--teacher", names["teacher"], "--mask", str(mask), "--out", str(pruned))
    words = ["--task", str(place / "task"), "--split", "validation", "--max-length", "16"]
    one = json.loads(command(home, "evaluate", "--model", str(pruned), *words, "--json").stdout)
    assert one["examples"] == 80
    sparse = next(row for row in study["rows"] if row["role"] == "sparse_teacher")
    assert one["metrics"]["accuracy"] == sparse["metrics"]["accuracy"]
    assert one["loss"] == pytest.approx(sparse["metrics"]["loss"], abs=1e-6)


def test_a_model_is_evaluated_beside_its_teacher(place: Path, study: dict[str, Any]):
    names, table = ids(study), place / "examples.csv"
    words = ["--model", names["student"], "--task", str(place / "task"), "--max-length", "16"]
    words += ["--teacher", names["sparse_teacher"], "--examples", str(table)]
    found = json.loads(command(place / "home", "evaluate", *words, "--json").stdout)

    stored = next(row for row in study["agreement"] if row["teacher"] == "sparse_teacher")
    assert found["agreement"]["agreement"] == stored["agreement"]
    assert found["agreement"]["divergence"] == pytest.approx(stored["divergence"], abs=1e-5)
    (error,) = (r["error"] for r in study["calibration"] if r["run"] == names["student"])
    assert found["calibration"]["error"] == pytest.approx(error, abs=1e-5)
    assert sum(row["examples"] for row in found["classes"]) == found["examples"] == 80
    gold = pd.read_csv(place / "task" / "validation.csv")["label"]
    usual = pd.read_csv(place / "task" / "train.csv")["label"].mode()[0]
    assert found["majority"]["accuracy"] == pytest.approx((gold == usual).mean())
    examples = pd.read_csv(table)
    assert len(examples) == 80
    assert (examples["first"] == examples["second"]).mean() == stored["agreement"]
    assert examples["text"].notna().all()
    for word in ("calibration error", "with the teacher: agreement", "recall"):
        assert word in command(place / "home", "evaluate", *words).stdout


def test_a_test_file_is_evaluated_though_no_run_reads_it(place: Path, study: dict[str, Any]):
    held_back = pd.read_csv(place / "task" / "validation.csv")[:20]
    held_back.to_csv(place / "task" / "test.csv", index=False)
    words = ["--model", ids(study)["student"], "--task", str(place / "task"), "--max-length", "16"]
    found = command(place / "home", "evaluate", *words, "--split", "test", "--json")

    assert json.loads(found.stdout)["examples"] == 20


def test_a_probe_shows_the_controls_beside_the_scores(place: Path, study: dict[str, Any]):
    listed = json.loads(command(place / "home", "runs", "list", "--json").stdout)
    scores = next(entry["id"] for entry in listed if entry["stage"] == "score")
    words = ["--scores-run", scores, "--sparsities", "0,0.5", "--round-to", "1", "--json"]
    rows = json.loads(command(place / "home", "probe", *words).stdout)["rows"]
    names = {"λ 0.5", "λ 1", "λ 0", *CONTROLS}
    assert {row["ranking"] for row in rows} == names
    dense = [row["accuracy"] for row in rows if row["sparsity"] == 0]
    assert len(dense) == len(names)
    assert len(set(dense)) == 1


@pytest.mark.parametrize(
    ("words", "wrong", "advice"),
    [
        (["stduy"], "no command 'stduy'", "Did you mean study"),
        (["study", "--task", "demo/sentimen"], "no task", "demo/sentiment"),
        (["study", "--task", "demo/sentiment", "--methd", "x"], "no option", "--method"),
        (["study", "--task", "demo/sentiment", "--method", "vanila"], "no method", "vanilla"),
        (["study", "--task", "demo/sentiment", "--lam", "1.5"], "lam = 1.5", "λ"),
        (["study", "--task", "demo/sentiment", "--sparsity", "-1"], "sparsity", "Share"),
        (["study", "--task", "demo/sentiment", "--seeds", "0"], "seeds = 0", "Five"),
        (
            ["evaluate", "--task", "demo/sentiment", "--model", "demo:", "--examples", "x.csv"],
            "--examples compares two models",
            "--teacher",
        ),
        (["study", "--task", "/no/such/folder"], "no folder", "train and validation"),
        (["study", "--task", "glue/sst2"], "needs a checkpoint", "--teacher"),
        (["finetune", "--task", "demo/sentiment", "--checkpoint", "/nowhere"], "no folder", "hub"),
        (["distil", "--task", "demo/sentiment", "--teacher", "0123456789ab"], "no run", "Known"),
        (
            ["distil", "--task", "glue/rte", "--teacher", "hub/a", "--method", "teacher_selection"],
            "2 to 8 teachers, not 1",
            "--teacher A --teacher B",
        ),
        (
            ["distil", "--task", "demo/sentiment", "--teacher", "hub/one", "--teacher", "hub/two"],
            "learns from 1 teacher, not 2",
            "Choose one",
        ),
        (["runs", "show", "abcd"], "no run", "Known"),
        (["mask", "--scores", "/none.npz", "--out", "/tmp/x"], "no file", "scores.npz"),
        (["study"], "required: --task", "--help"),
    ],
)
def test_bad_words_leave_as_one_line_and_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    wrong: str,
    advice: str,
):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.strip().splitlines() if not line.startswith("Task ")]
    assert len(lines) == 1
    assert wrong in lines[0]
    assert advice in lines[0]


def test_a_failed_run_says_why_and_keeps_what_was_done(place: Path):
    done = command(place / "home2", "distil", "--task", str(place / "task"), "--teacher",
               str(place / "checkpoint"), "--student-layers", "9", code=2)  # fmt: skip
    assert "The student has 9 layers, the teacher 2" in done.stderr
    (entry,) = json.loads(command(place / "home2", "runs", "list", "--json").stdout)
    assert entry["state"] == "failed"
    assert "Choose at most 2 layers" in entry["hint"]
    command(place / "home2", "runs", "delete", entry["id"])
    assert json.loads(command(place / "home2", "runs", "list", "--json").stdout) == []


def test_a_killed_worker_resumes_to_the_same_metrics(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Real processes throughout: the command, the queue that it starts, and two workers."""
    words = ["--task", str(place / "task"), "--checkpoint", str(place / "checkpoint"), *QUICK]
    words += ["--epochs", "40", "--patience", "40", "--json"]
    whole = json.loads(command(place / "home", "finetune", *words).stdout)

    monkeypatch.setenv("SPARSEKD_HOME", str(processor_only(tmp_path)))
    client = subprocess.Popen(
        [sys.executable, "-m", "sparsekd", "finetune", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    wait_for(lambda: store.get_many([whole["id"]]))
    other = replace(store.get(whole["id"]).recipe, seed=1)
    jobs.submit([other])  # keeps the queue at work
    wait_for((store.folder(whole["id"]) / "checkpoint.safetensors").exists)
    worker = store.get(whole["id"]).pid
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    out, error = client.communicate(timeout=240)
    assert client.returncode == 130
    assert out == ""
    assert f"Run {whole['id']} (finetune) was interrupted" in error
    assert "Traceback" not in error

    assert main(["runs", "resume", whole["id"], "--wait", "--json"]) == 0
    resumed = json.loads(capsys.readouterr().out)
    assert resumed["state"] == "done"
    assert resumed["metrics"] == whole["metrics"]
    wait_for(lambda: store.get(other.run_id).state is State.DONE)


def wait_for(condition: Any, seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.05)
