"""Texts longer than a model's positions are refused before a run exists."""

import os
import shutil
from pathlib import Path

import pytest

from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import ExportParams, StudentParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.runs import jobs, references, store
from sparsekd.studies import recipes
from tests.conftest import tiny_model
from tests.workshop import checkpoint_folder, processor_only, task_folder


@pytest.fixture
def names(home: Path, tmp_path: Path) -> tuple[str, str]:
    """A task with a text of 92 tokens, and a checkpoint of 64 positions."""
    processor_only(home)
    folder = task_folder(tmp_path / "task")
    rows = (folder / "train.csv").read_text(encoding="utf-8")
    (folder / "train.csv").write_text(f"{rows}{'film ' * 89}film,praise\n", encoding="utf-8")
    checkpoint = references.model(str(checkpoint_folder(tmp_path / "model")))
    return references.task(str(folder)).name, checkpoint


def test_a_longer_text_is_refused_and_no_run_is_stored(names: tuple[str, str]) -> None:
    wanted = recipes.finetune(*names, TrainParams(max_length=128))
    with pytest.raises(Incompatible, match="at most 64 tokens, the longest text has 92"):
        jobs.submit([wanted], "cpu")
    with pytest.raises(Incompatible, match="the longest text has 80"):  # as it is truncated
        jobs.submit([recipes.finetune(*names, TrainParams(max_length=80))], "cpu")
    assert not store.runs()


def test_a_run_of_a_planned_teacher_is_refused_as_well(names: tuple[str, str]) -> None:
    teacher = recipes.finetune(*names, TrainParams(max_length=64))
    params = (TrainParams(), VanillaParams(), StudentParams())
    student = recipes.distil(names[0], "vanilla", teacher.run_id, *params)
    with pytest.raises(Incompatible, match="at most 64 tokens"):
        jobs.submit([teacher, student], "cpu")


def test_what_is_exported_must_be_a_finished_classifier(
    names: tuple[str, str], tmp_path: Path
) -> None:
    encoder = checkpoint_folder(tmp_path / "encoder")
    sizes = {"layers": 2, "heads": 2, "hidden": 16, "neurons": 24, "vocabulary": 24}
    tiny_model("bert", **sizes).base_model.save_pretrained(encoder)
    wanted = recipes.export(names[0], references.model(str(encoder)), ExportParams())
    with pytest.raises(BadInput, match="not a finished classifier: it lacks the weight"):
        jobs.submit([wanted], "cpu")


def test_the_letters_of_a_folder_follow_its_contents_also_after_a_while(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "model")
    fresh = references.fingerprint(folder)
    for file in folder.iterdir():
        os.utime(file, (1e9, 1e9))
    assert references.fingerprint(folder) == references.fingerprint(folder) == fresh
    (folder / "config.json").write_text("{}")
    assert references.fingerprint(folder) != fresh


def test_texts_that_fit_and_models_that_are_gone_are_left_to_the_run(
    names: tuple[str, str], tmp_path: Path
) -> None:
    jobs.submit([recipes.finetune(*names, TrainParams(max_length=64))], "cpu")
    short = references.task(str(task_folder(tmp_path / "short"))).name
    jobs.submit([recipes.finetune(short, names[1], TrainParams())], "cpu")
    shutil.rmtree(tmp_path / "model")
    jobs.submit([recipes.finetune(*names, TrainParams(max_length=80))], "cpu")
    assert len(store.runs()) == 3
