"""Runs of a task with few gold labels, noisy ones, or none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import ScoreParams, StudentParams
from sparsekd.runs import references
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies import recipes
from sparsekd.tasks.labels import UNLABELLED, is_labelled
from sparsekd.units.jacobians import Jacobian
from sparsekd.units.scores import Scores
from tests.workshop import checkpoint_folder, done, task_folder, worked

QUICK = TrainParams(epochs=2, batch_size=32, learning_rate=3e-3, max_length=16)
FEW = QUICK.changed({"labelled": 40})
STUDENT = StudentParams(layers=1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("few")
    task_folder(place / "task")
    checkpoint_folder(place / "checkpoint")
    return place


@pytest.fixture
def card(shop: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SPARSEKD_HOME", str(shop / "home"))
    return references.task(str(shop / "task")).name


def teacher(shop: Path, task: str, train: TrainParams = QUICK) -> Run:
    return done(recipes.finetune(task, references.model(str(shop / "checkpoint")), train))


def student(task: str, teacher: str, train: TrainParams, alpha: float = 0.5) -> Recipe:
    return recipes.distil(task, "vanilla", teacher, train, VanillaParams(alpha=alpha), STUDENT)


def test_a_training_knows_its_labels_alone_and_its_selection_metric_counts_those(
    shop: Path, card: str
):
    run = done(student(card, teacher(shop, card).id, FEW))
    assert (run.outcome.facts["gold_labels"], run.outcome.facts["selection_labels"]) == (32, 8)
    labels = np.load(run.folder / "labels-selection.npy")
    logits = np.load(run.folder / "logits-selection.npy")
    known = is_labelled(labels)
    assert known.sum() == 8 and len(labels) == 170
    hits = (logits.argmax(axis=1) == labels)[known].mean()
    assert run.outcome.metrics["selection"]["accuracy"] == pytest.approx(hits)
    assert run.outcome.facts["examples"]["validation"] == 80
    assert is_labelled(np.load(run.folder / "labels-validation.npy")).all()


def test_scores_are_of_the_labels_that_the_trial_student_knew(shop: Path, card: str):
    whole, few = (done(student(card, teacher(shop, card).id, train)) for train in (QUICK, FEW))
    runs = [
        done(recipes.score(card, teacher(shop, card).id, trial.id, ScoreParams(), 16))
        for trial in (whole, few)
    ]
    assert [run.outcome.facts["gold_labels"] for run in runs] == [170, 8]
    known = is_labelled(Jacobian.open(runs[1].folder / "jacobian").labels)
    assert known.sum() == 8
    one, other = (Scores.load(run.folder / "scores.npz") for run in runs)
    assert not np.allclose(one.head_expressiveness, other.head_expressiveness)


def test_noise_is_part_of_the_data_for_teacher_and_student(shop: Path, card: str):
    noisy = QUICK.changed({"label_noise": 0.25})
    run = teacher(shop, card, noisy)
    gold = np.load(teacher(shop, card).folder / "labels-selection.npy")
    changed = np.load(run.folder / "labels-selection.npy") != gold
    assert changed.sum() == round(0.25 * len(gold))
    own = done(student(card, run.id, noisy)).folder / "labels-selection.npy"
    np.testing.assert_array_equal(np.load(own) != gold, changed)
    assert run.id != teacher(shop, card).id


def test_texts_without_any_label_are_learned_from_the_teacher_alone(
    shop: Path, card: str, tmp_path: Path
):
    source = teacher(shop, card)
    folder = task_folder(tmp_path / "unlabelled")
    frame = pd.read_csv(folder / "train.csv")
    frame[["sentence"]].to_csv(folder / "train.csv", index=False)
    unlabelled = references.task(str(folder)).name
    run = done(student(unlabelled, source.id, QUICK))
    assert run.outcome.facts["gold_labels"] == 0
    agreed = np.load(run.folder / "labels-selection.npy")
    assert set(agreed) <= {0, 1} and UNLABELLED not in agreed
    plain = recipes.distil(unlabelled, "fine_tuning", source.id, QUICK, FineTuningParams(), STUDENT)
    failed = worked(plain)
    assert failed.state is State.FAILED and "no gold label" in failed.outcome.message
    scored = worked(recipes.score(unlabelled, source.id, run.id, ScoreParams(), 16))
    assert scored.state is State.FAILED and "no gold label" in scored.outcome.message


def test_more_labels_than_there_are_fail_in_words(shop: Path, card: str):
    run = worked(student(card, teacher(shop, card).id, QUICK.changed({"labelled": 9000})))
    assert run.state is State.FAILED and "labelled = 9000" in run.outcome.message
