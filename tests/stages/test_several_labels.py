"""A task with several labels for each text through every stage, with some texts unlabelled."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparsekd.__main__ import main
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import (
    AblateParams,
    AttributeParams,
    ExportParams,
    MaskParams,
    ProbeParams,
    ScoreParams,
    StudentParams,
)
from sparsekd.models import loading
from sparsekd.models.classifiers import labels_of
from sparsekd.runs import references, store
from sparsekd.runs.records import State
from sparsekd.studies import recipes
from sparsekd.tasks import TaskCard
from sparsekd.tasks.labels import is_labelled
from sparsekd.units.jacobians import Jacobian
from tests.workshop import checkpoint_folder, done, sentences, worked

QUICK = TrainParams(epochs=2, batch_size=32, learning_rate=3e-3, max_length=16)
NAMES = ["film", "praise", "was"]


def task_folder(folder: Path) -> Path:
    """Sentences with their properties as lists; every fifth training sentence has none."""
    folder.mkdir(parents=True)
    rows = [
        {"sentence": text, "labels": [name for name in NAMES if name in f"{text} {label}"]}
        for text, label in sentences().itertuples(index=False)
    ]
    for row in rows[:340:5]:
        row["labels"] = None
    for split, part in (("train", rows[:340]), ("validation", rows[340:])):
        text = "".join(json.dumps(row) + "\n" for row in part)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a task, a teacher, a student and scores."""
    place = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(place / "home"))
        card = references.task(str(task_folder(place / "task")))
        checkpoint = references.model(str(checkpoint_folder(place / "checkpoint")))
        teacher = done(recipes.finetune(card.name, checkpoint, QUICK))
        params = VanillaParams(), StudentParams(layers=1)
        student = done(recipes.distil(card.name, "vanilla", teacher.id, QUICK, *params))
        scores = done(recipes.score(card.name, teacher.id, student.id, ScoreParams(), 16))
        names = {"task": card.name, "teacher": teacher.id, "student": student.id}
    (place / "names.json").write_text(json.dumps(names | {"scores": scores.id}))
    return place


@pytest.fixture
def names(shop: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("SPARSEKD_HOME", str(shop / "home"))
    found: dict[str, str] = json.loads((shop / "names.json").read_text())
    return found


@pytest.fixture
def card(names: dict[str, str]) -> TaskCard:
    return references.card(names["task"])


def test_models_are_trained_and_saved_as_transformers_says(
    names: dict[str, str], card: TaskCard
) -> None:
    for role in ("teacher", "student"):
        run = store.get(names[role])
        assert set(run.outcome.metrics["validation"]) == {*card.metrics, "loss"}
        model, _ = loading.load_saved(run.folder / "model")
        assert labels_of(model.config) == (tuple(NAMES), "labels")
        labels = np.load(run.folder / "labels-validation.npy")
        logits = np.load(run.folder / "logits-validation.npy")
        right = ((logits > 0) == labels).all(axis=1).mean()
        assert run.outcome.metrics["validation"]["subset_accuracy"] == pytest.approx(right)
        assert is_labelled(np.load(run.folder / "labels-selection.npy")).all()
        assert run.outcome.facts["gold_labels"] < run.outcome.facts["training_examples"]


def test_the_jacobian_has_a_direction_for_each_label(names: dict[str, str]) -> None:
    kept = Jacobian.open(store.folder(names["scores"]) / "jacobian")
    assert kept.values.shape[1:] == (3, 2 * (2 + 24))
    assert kept.multilabel


@pytest.mark.parametrize("kind", ["conductance", "gradient_activation"])
def test_units_are_ranked_by_attribution(names: dict[str, str], kind: str) -> None:
    params = AttributeParams(kind=kind, examples=20, steps=2)
    assert done(recipes.attribute(names["task"], names["teacher"], params, 16)).id


def test_masks_are_probed_pruned_and_exported(names: dict[str, str], tmp_path: Path) -> None:
    probe = ProbeParams(lams=(0.5,), sparsities=(0.0, 0.5), examples=40)
    of = names["task"], names["teacher"], names["student"], names["scores"]
    done(recipes.probe(*of, probe, 16))
    pruned = done(
        recipes.prune(
            names["task"], names["teacher"], names["scores"], MaskParams(sparsity=0.5), 16
        )
    )
    for form in ("pruned", "gated", "onnx"):
        run = done(recipes.export(names["task"], pruned.id, ExportParams(format=form)))
        known = json.loads((run.folder / "export" / "recipe.json").read_text())
        assert known["problem_type"] == "multi_label_classification"
        assert "sigmoid" in (run.folder / "export" / "README.md").read_text()


def test_units_are_removed_one_by_one(names: dict[str, str]) -> None:
    params = AblateParams(examples=30, neuron_groups=2)
    run = done(
        recipes.ablate(names["task"], names["teacher"], params, 16, student=names["student"])
    )
    assert run.outcome.facts["dense"]["task_loss"] > 0


def test_answers_of_predict_make_the_same_student(
    names: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "answers.parquet"
    given = ["--model", names["teacher"], "--task", names["task"], "--out", str(path)]
    assert main(["predict", *given]) == 0
    assert set(pd.read_parquet(path).columns) >= {"labels", "probability_film", "logit_was"}
    values = VanillaParams(), StudentParams(layers=1), names["teacher"]
    card = references.card(names["task"])
    teacher = references.teacher(str(path), card)
    again = done(recipes.distil(names["task"], "vanilla", teacher, QUICK, *values))
    first = store.get(names["student"])
    for split in ("selection", "validation"):
        one, other = (np.load(run.folder / f"logits-{split}.npy") for run in (first, again))
        assert (one == other).all()


def test_a_model_of_classes_is_no_teacher_of_several_labels(
    names: dict[str, str], tmp_path: Path
) -> None:
    checkpoint = references.model(str(checkpoint_folder(tmp_path / "two")))
    recipe = recipes.distil(
        names["task"], "vanilla", checkpoint, QUICK, VanillaParams(), StudentParams(layers=1)
    )
    run = worked(recipe)
    assert run.state is State.FAILED
    assert "has any number of film, praise, was" in run.outcome.message
