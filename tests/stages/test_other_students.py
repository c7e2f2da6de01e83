"""A student from another checkpoint, with another vocabulary and family than its teacher."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import (
    AblateParams,
    ProbeParams,
    ScoreParams,
    StudentParams,
)
from sparsekd.data import load
from sparsekd.knowledge.evaluation import predict
from sparsekd.models import loading
from sparsekd.models.classifiers import name_labels
from sparsekd.runs import references, store
from sparsekd.runs.records import Run
from sparsekd.stages import distil
from sparsekd.stages.context import StageContext
from sparsekd.stages.training import load_data, prepare
from sparsekd.studies import recipes
from sparsekd.tasks import TASKS, TaskCard
from tests.conftest import tiny_model, tiny_tokenizer
from tests.stages.test_several_teachers import backwards
from tests.workshop import done, task_folder, worked

PARAMS = TrainParams(epochs=2, batch_size=32, learning_rate=3e-3, max_length=16)


@pytest.fixture
def card(tmp_path: Path, home: Path) -> TaskCard:
    return references.task(str(task_folder(tmp_path / "task")))


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    model = tiny_model("bert", vocabulary=24, heads=2, hidden=16)
    name_labels(model, ("blame", "praise"), kind="classes")
    loading.save(model, tiny_tokenizer(), tmp_path / "teacher")
    return references.model(str(tmp_path / "teacher"))


def other(folder: Path, family: str = "distilbert", labels: int = 3) -> str:
    """A checkpoint of another family, whose tokenizer has other numbers for the same words."""
    model = tiny_model(family, vocabulary=30, heads=3, hidden=24, labels=labels, seed=5)
    loading.save(model, backwards(), folder)
    return references.model(str(folder))


def student_of(checkpoint: str) -> StudentParams:
    return StudentParams(choice="checkpoint", checkpoint=checkpoint)


def answered(folder: Path, texts: list[str]) -> np.ndarray:
    """The logits of a saved model for each text, one at a time, by transformers alone."""
    model, tokenizer = loading.load_saved(folder)
    with torch.no_grad():
        return np.concatenate(
            [
                model(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits
                for text in texts
            ]
        )


def distilled(card: TaskCard, teacher: str, checkpoint: str) -> Run:
    student = student_of(checkpoint)
    return done(recipes.distil(card.name, "vanilla", teacher, PARAMS, VanillaParams(), student))


@pytest.mark.parametrize("family", ["distilbert", "roberta"])
def test_each_text_is_encoded_for_the_student_in_its_own_tokens(card, tmp_path, teacher, family):
    run = distilled(card, teacher, other(tmp_path / "other", family))
    saved = run.folder / "model"
    texts = load(card)["validation"]["text"].tolist()
    expected = answered(saved, texts)
    np.testing.assert_allclose(np.load(run.folder / "logits-validation.npy"), expected, atol=1e-5)
    model, tokenizer = loading.load_saved(saved)
    assert model.config.model_type == family
    assert model.config.id2label == {0: "blame", 1: "praise"}  # the checkpoint has three labels
    assert tokenizer.get_vocab() == backwards().get_vocab()
    tiny_tokenizer().save_pretrained(saved)  # the test can fail: the teacher's tokens read wrong
    assert not np.allclose(answered(saved, texts), expected, atol=1e-2)


def test_row_i_pairs_the_answers_of_both_models_to_the_same_text(card, tmp_path, teacher):
    student = student_of(other(tmp_path / "other"))
    recipe = recipes.distil(card.name, "vanilla", teacher, PARAMS, VanillaParams(), student)
    context = StageContext(recipe, "cpu", store.create(recipe).folder)
    source = distil._source(recipe, card)
    data = load_data(context, card, source[1])
    first = distil._initial_student(context, card, source)
    job = prepare(context, data, first, recipe.params["method"]).job
    texts = load(card)["train"]["text"].tolist()[:20]
    (of_teacher,) = job.teacher_logits
    np.testing.assert_allclose(of_teacher[:20], answered(tmp_path / "teacher", texts), atol=1e-5)
    loading.save(job.model, backwards(), tmp_path / "first")
    own = predict(job.model, job.data.select(np.arange(20)))
    np.testing.assert_allclose(own, answered(tmp_path / "first", texts), atol=1e-5)


def test_scores_probes_and_ablations_read_only_its_logits(card, tmp_path, teacher):
    student = distilled(card, teacher, other(tmp_path / "other")).id
    scores = done(recipes.score(card.name, teacher, student, ScoreParams(), 16))
    again = done(recipes.score(card.name, teacher, student, ScoreParams(split="validation"), 12))
    assert scores.outcome.facts["examples"] != again.outcome.facts["examples"]
    probe = ProbeParams(sparsities=(0.5,), examples=16)
    done(recipes.probe(card.name, teacher, student, scores.id, probe, 16))
    ablate = AblateParams(examples=16, neuron_groups=2)
    found = done(recipes.ablate(card.name, teacher, ablate, 16, student, scores.id))
    assert "student" in found.recipe.inputs


@pytest.mark.parametrize("method", [name for name, each in METHODS.items() if each.reads])
def test_a_method_that_reads_layers_says_why_it_cannot(card, tmp_path, teacher, method):
    params, student = METHODS[method].params(), student_of(other(tmp_path / "other"))
    second = [other(tmp_path / "second")] if METHODS[method].least_teachers > 1 else []
    run = worked(recipes.distil(card.name, method, teacher, PARAMS, params, student, others=second))
    assert "another tokenizer than the student: the method compares" in run.outcome.message
    assert "vanilla" in run.outcome.hint


def test_a_demo_model_is_a_student_too(home):
    card = TASKS["demo/sentiment"]
    student = student_of("demo:distilbert")
    recipe = recipes.distil(card.name, "vanilla", "a" * 12, PARAMS, VanillaParams(), student)
    model, tokenizer = distil._source(recipe, card)
    assert model.config.model_type == "distilbert"
    assert model.config.vocab_size == len(tokenizer)


def test_a_checkpoint_student_needs_a_name(card, teacher):
    run = worked(
        recipes.distil(card.name, "vanilla", teacher, PARAMS, VanillaParams(), student_of(""))
    )
    assert "No checkpoint is given" in run.outcome.message


def test_texts_longer_than_its_positions_are_refused_before_training(tmp_path, home, teacher):
    folder = task_folder(tmp_path / "long")
    rows = (folder / "train.csv").read_text(encoding="utf-8")
    long = " ".join(["film"] * 90)
    (folder / "train.csv").write_text(rows + f"{long},praise\n", encoding="utf-8")
    card = references.task(str(folder))
    params = PARAMS.changed({"max_length": 100})
    student = student_of(other(tmp_path / "other"))
    run = worked(recipes.distil(card.name, "vanilla", teacher, params, VanillaParams(), student))
    assert "reads at most 64 tokens, the longest text has 92" in run.outcome.message
