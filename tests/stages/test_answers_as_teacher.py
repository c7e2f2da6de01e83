"""A teacher that is a file of answers: the same student as its model's, and what it cannot do."""

from pathlib import Path
from shutil import rmtree

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from sparsekd.__main__ import main
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.errors import BadInput, NotFound
from sparsekd.models import loading
from sparsekd.models.classifiers import name_labels
from sparsekd.runs import answer_files, references, store, tables
from sparsekd.runs.records import Run
from sparsekd.stages import inputs
from sparsekd.studies import recipes
from sparsekd.tasks import TaskCard
from tests.conftest import tiny_model, tiny_tokenizer
from tests.workshop import checkpoint_folder, done, processor_only, task_folder, worked

PARAMS = TrainParams(epochs=2, batch_size=32, learning_rate=3e-3, max_length=16)
ONE = StudentParams(layers=1)


@pytest.fixture
def card(tmp_path: Path, home: Path) -> TaskCard:
    processor_only(home)
    return references.task(str(task_folder(tmp_path / "task")))


@pytest.fixture
def teacher(tmp_path: Path, card: TaskCard) -> str:
    model = tiny_model("bert", vocabulary=24, heads=2, hidden=16)
    name_labels(model, ("blame", "praise"), kind="classes")
    loading.save(model, tiny_tokenizer(), tmp_path / "teacher")
    return references.model(str(tmp_path / "teacher"))


def answers(folder: Path, card: TaskCard, ending: str = "parquet", *words: str) -> Path:
    """What `predict` writes of the teacher."""
    out = folder / f"answers.{ending}"
    words = (*words, "--task", card.name, "--out", str(out), "--max-length", "16")
    teacher = str(folder / "teacher")
    assert main(["predict", "--model", teacher, "--device", "cpu", *words]) == 0
    return out


def distilled(
    card: TaskCard,
    teacher: str,
    init: str,
    train: TrainParams = PARAMS,
    student: StudentParams = ONE,
) -> Run:
    return done(
        recipes.distil(card.name, "vanilla", teacher, train, VanillaParams(), student, init)
    )


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "model" / "model.safetensors")


def same(one: Run, other: Run) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(
        first[name].numpy().tobytes() == second[name].numpy().tobytes() for name in first
    )


@pytest.mark.parametrize("examples", [0, 70])
@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_file_of_answers_gives_the_same_student_bit_for_bit(
    tmp_path, home, card, teacher, ending, examples
):
    path = answers(tmp_path, card, ending, "--train-examples", str(examples))
    rmtree(home / "cache" / "logits")  # the model answers once more for its own student
    train = PARAMS.changed({"train_examples": examples})
    of_model = distilled(card, teacher, teacher, train)
    of_file = distilled(card, references.teacher(str(path), card), teacher, train)
    assert same(of_model, of_file)
    assert of_model.outcome.metrics == of_file.outcome.metrics
    wrong = pd.read_parquet(path) if ending == "parquet" else None
    if wrong is not None:  # the comparison can fail: another answer makes another student
        wrong.loc[0, "logit_praise"] += 1e-3
        wrong.to_parquet(path)
        other = distilled(card, references.teacher(str(path), card), teacher, train)
        assert not same(of_model, other)


def test_a_task_without_any_gold_label_learns_from_a_file_as_from_its_model(
    tmp_path, home, card, teacher
):
    """Its epochs are selected by the teacher's answers, which the file has as well."""
    folder = tmp_path / "no gold"
    folder.mkdir()
    for name in ("train", "validation"):
        frame = pd.read_csv(tmp_path / "task" / f"{name}.csv")
        frame = frame.assign(label="") if name == "train" else frame
        frame.to_csv(folder / f"{name}.csv", index=False)
    frame = pd.read_csv(tmp_path / "task" / "train.csv")["sentence"] + " very long"
    frame.to_csv(folder / "unlabelled.csv", index=False)
    none = references.task(str(folder))
    assert none.unlabelled == 680
    path = answers(tmp_path, none, "csv")
    assert len(pd.read_csv(path)) == 680
    rmtree(home / "cache" / "logits")
    of_model = distilled(none, teacher, teacher)
    assert same(of_model, distilled(none, references.teacher(str(path), none), teacher))


def test_cached_logits_are_mapped_into_memory(tmp_path, card, teacher):
    reference = references.teacher(str(answers(tmp_path, card)), card)
    for name in (teacher, reference, reference):
        logits = inputs.training_logits(name, card, PARAMS, "cpu")
        assert isinstance(logits, np.memmap)
        assert logits.shape == (170, 2)


def test_a_run_outlives_its_file_and_the_same_content_is_the_same_teacher(tmp_path, card, teacher):
    path = answers(tmp_path, card)
    reference = references.teacher(str(path), card)
    (tmp_path / "elsewhere").mkdir()
    moved = path.rename(tmp_path / "elsewhere" / path.name)
    assert references.teacher(str(moved), card) == reference
    moved.write_bytes(b"something else")
    run = distilled(card, reference, teacher)
    assert tables.title(run.recipe).startswith("Student of answers:answers.parquet")
    answer_files.locate(reference).unlink()
    with pytest.raises(NotFound, match="are gone"):
        answer_files.locate(reference)


def test_answers_are_one_of_several_teachers(tmp_path, card, teacher):
    path = answers(tmp_path, card, "jsonl")
    params = TeacherSelectionParams(selector_examples=64, selector_passes=2)
    reference = references.teacher(str(path), card)
    run = done(
        recipes.distil(
            card.name, "teacher_selection", reference, PARAMS, params, ONE, others=[teacher]
        )
    )
    assert run.recipe.inputs["init"] == teacher


def test_a_student_of_answers_alone_starts_from_a_checkpoint(tmp_path, card, teacher):
    path = answers(tmp_path, card, "csv")
    checkpoint = references.model(str(checkpoint_folder(tmp_path / "checkpoint")))
    reference = references.teacher(str(path), card)
    student = StudentParams(choice="checkpoint", checkpoint=checkpoint)
    run = distilled(card, reference, "", student=student)
    assert run.recipe.inputs == {"teacher": reference, "init": checkpoint}
    assert references.origin(run.id) == checkpoint
    with pytest.raises(BadInput, match="no layers to start a student from"):
        distilled(card, reference, "")


@pytest.mark.parametrize("method", [name for name, card in METHODS.items() if card.reads])
def test_a_method_that_reads_layers_refuses_answers(card, method):
    params = METHODS[method].params()
    with pytest.raises(BadInput, match=r"reads its teacher's layers; answers:a\.csv has none"):
        recipes.distil(card.name, method, "answers:a.csv#0", PARAMS, params, ONE, "hub:x")


NEED_WEIGHTS = [
    ["study", "--task", "TASK", "--teacher", "FILE"],
    ["score", "--task", "TASK", "--teacher", "FILE", "--student", "x", "--out", "s.npz"],
    ["ablate", "--task", "TASK", "--teacher", "FILE", "--out", "a.npz"],
    ["evaluate", "--task", "TASK", "--model", "FILE"],
    ["predict", "--task", "TASK", "--model", "FILE", "--out", "x.csv"],
    ["finetune", "--task", "TASK", "--checkpoint", "FILE"],
    ["distil", "--task", "TASK", "--teacher", "FILE", "--init", "FILE"],
]


@pytest.mark.parametrize("words", NEED_WEIGHTS, ids=lambda words: words[0])
def test_what_needs_weights_says_why(tmp_path, card, teacher, words, capsys):
    path = answers(tmp_path, card, "csv")
    named = {"TASK": card.name, "FILE": str(path)}
    assert main([named.get(word, word) for word in words]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "answers.csv holds answers, not a model: it has no weights" in error


def test_distil_says_what_is_wrong_with_a_file_before_a_run_starts(tmp_path, card, teacher, capsys):
    path = answers(tmp_path, card)
    frame = pd.read_parquet(path)
    frame.iloc[5:].to_parquet(path)
    words = ["--task", card.name, "--teacher", str(path), "--init", str(tmp_path / "teacher")]
    assert main(["distil", *words, "--max-length", "16"]) == 2
    assert "no answer for 5 of 170 training texts" in capsys.readouterr().err
    assert store.runs() == []


def test_a_run_whose_file_does_not_fit_fails_with_the_same_words(tmp_path, card, teacher):
    path = answers(tmp_path, card, "csv", "--train-examples", "50")
    reference = references.teacher(str(path), card)
    run = worked(
        recipes.distil(card.name, "vanilla", reference, PARAMS, VanillaParams(), ONE, teacher)
    )
    assert "no answer for 120 of 170 training texts" in run.outcome.message
