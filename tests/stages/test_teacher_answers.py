"""What controls put in place of a teacher's answers, against hand-computed values."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.special import softmax

from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, StudentParams
from sparsekd.errors import BadInput
from sparsekd.models import architectures, loading
from sparsekd.models.classifiers import name_labels
from sparsekd.runs import references, store
from sparsekd.runs.records import Recipe
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.stages.teacher_answers import shuffled, smoothed, teacher_answers
from sparsekd.studies import recipes
from sparsekd.tasks import TaskCard
from sparsekd.tasks.labels import UNLABELLED
from tests.conftest import tiny_model, tiny_tokenizer
from tests.workshop import done, task_folder

PARAMS = TrainParams(epochs=2, batch_size=32, learning_rate=3e-3, max_length=16)
ONE = StudentParams(layers=1)


@pytest.fixture
def card(tmp_path: Path, home: Path) -> TaskCard:
    return references.task(str(task_folder(tmp_path / "task")))


@pytest.fixture
def teacher(tmp_path: Path, card: TaskCard) -> str:
    model = tiny_model("bert", vocabulary=24, heads=2, hidden=16)
    name_labels(model, ("blame", "praise"), kind="classes")
    loading.save(model, tiny_tokenizer(), tmp_path / "teacher")
    return references.model(str(tmp_path / "teacher"))


def answers(card: TaskCard, teacher: str, seed: int, **values: object) -> np.ndarray:
    recipe = Recipe("distil", card.name, "vanilla", {"teacher": teacher}, {}, seed)
    run = store.create(recipe)
    context = StageContext(run.recipe, "cpu", run.folder)
    (found,) = teacher_answers(context, [teacher], card, PARAMS, VanillaParams.of(values))
    return found


def test_shuffled_answers_are_the_same_rows_in_an_order_of_the_seed(card, teacher):
    own = answers(card, teacher, 0)
    one, again, other = (answers(card, teacher, seed, answers="shuffled") for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, own)
    assert sorted(map(tuple, one)) == sorted(map(tuple, own))


def test_shuffling_moves_whole_rows():
    rows = np.arange(12.0).reshape(6, 2)
    assert {tuple(row) for row in shuffled(rows, 0)} == {tuple(row) for row in rows}


def test_an_untrained_teacher_has_the_teachers_shape_and_the_weights_of_its_seed(
    card, teacher, monkeypatch
):
    seen = []
    plain = inputs.predict
    monkeypatch.setattr(
        "sparsekd.stages.teacher_answers.predict",
        lambda model, *rest: (seen.append(model), plain(model, *rest))[1],
    )
    one, again, other = (answers(card, teacher, seed, answers="untrained") for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    own, _ = inputs.load_classifier(teacher, card)
    shapes = [{n: w.shape for n, w in model.state_dict().items()} for model in (own, seen[0])]
    assert shapes[0] == shapes[1]
    assert architectures.shape(own) == architectures.shape(seen[0])
    matrix = "bert.encoder.layer.1.attention.self.query.weight"
    deviation = seen[0].state_dict()[matrix].std().item()
    assert deviation == pytest.approx(seen[0].config.initializer_range, rel=0.3)


def test_smoothed_labels_are_as_confident_as_the_teacher_at_its_temperature():
    # Three texts of three classes; at T = 2 the highest probabilities are known.
    teacher = 2 * np.log([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.25, 0.25, 0.5]])
    labels = np.array([2, UNLABELLED, 0])
    found = softmax(smoothed(teacher, labels, 2.0) / 2, axis=1)
    confidence = (0.8 + 0.6 + 0.5) / 3
    rest = (1 - confidence) / 2
    np.testing.assert_allclose(found[0], [rest, rest, confidence], rtol=1e-5)
    np.testing.assert_allclose(found[2], [confidence, rest, rest], rtol=1e-5)
    np.testing.assert_allclose(found[1], [1 / 3] * 3, rtol=1e-5)


def test_smoothed_labels_of_a_certain_teacher_are_finite():
    found = smoothed(np.array([[0.0, 1000.0], [1000.0, 0.0]]), np.array([0, 1]), 1.0)
    assert np.isfinite(found).all()
    assert softmax(found, axis=1)[0, 0] == pytest.approx(1, abs=1e-6)


def student(card: TaskCard, teacher: str, train: TrainParams = PARAMS, **values: object):
    params = VanillaParams.of(values)
    return done(recipes.distil(card.name, "vanilla", teacher, train, params, ONE))


def weights(run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "model" / "model.safetensors")


@pytest.mark.parametrize("kind", ["labels", "shuffled", "untrained", "smoothed"])
def test_a_student_of_each_control_is_trained_and_differs_from_vanillas(card, teacher, kind):
    plain, control = student(card, teacher), student(card, teacher, answers=kind)
    assert plain.id != control.id
    same = [torch.equal(weights(plain)[name], each) for name, each in weights(control).items()]
    assert not all(same)
    assert math.isfinite(control.outcome.metrics["validation"]["loss"])


def test_labelled_texts_alone_are_all_texts_where_every_text_has_a_label(card, teacher):
    plain, control = student(card, teacher), student(card, teacher, texts="labelled")
    for name, each in weights(control).items():
        assert torch.equal(weights(plain)[name], each)


def test_labelled_texts_alone_and_unlabelled_texts_too_are_different_students(card, teacher):
    few = PARAMS.changed({"labelled": 30})
    plain, control = student(card, teacher, few), student(card, teacher, few, texts="labelled")
    assert plain.outcome.facts["gold_labels"] == control.outcome.facts["gold_labels"] == 24
    same = [torch.equal(weights(plain)[name], each) for name, each in weights(control).items()]
    assert not all(same)


def test_an_untrained_teacher_of_a_file_of_answers_is_refused(tmp_path, card):
    reference = "answers:answers.parquet#00000000"
    with pytest.raises(BadInput, match="untrained model of its shape"):
        recipes.distil(
            card.name,
            "vanilla",
            reference,
            PARAMS,
            VanillaParams(answers="untrained"),
            ONE,
            "demo:small",
        )


# --- as soft as the sparse teacher -----------------------------------------------------------


def test_the_dense_teacher_is_softened_to_the_entropy_of_the_sparse_one(card, teacher):
    mask = MaskParams(kind="random", sparsity=0.5, round_to=1)
    sparse = done(recipes.prune(card.name, teacher, "", mask, PARAMS.max_length)).id
    found = {}
    for kind, source in (
        ("probabilities", teacher),
        ("probabilities", sparse),
        ("matched_entropy", sparse),
    ):
        params = VanillaParams.of({"answers": kind})
        recipe = recipes.distil(card.name, "vanilla", source, PARAMS, params, ONE, teacher)
        found[kind, source == sparse] = done(recipe)
    dense, own, matched = (run.outcome.facts for run in found.values())
    assert [facts["teacher_temperature"] for facts in (dense, own)] == [2, 2]
    assert matched["teacher_temperature"] != pytest.approx(2, rel=1e-3)
    assert own["soft_label_entropy"] != pytest.approx(dense["soft_label_entropy"], rel=1e-4)
    assert matched["soft_label_entropy"] == pytest.approx(own["soft_label_entropy"], rel=1e-6)
    run = found["matched_entropy", True]
    assert run.recipe.teachers == [teacher]
    # The order of the classes is the dense teacher's, and so is the order of the texts' odds.
    context = StageContext(run.recipe, "cpu", run.folder)
    params = VanillaParams.of({"answers": "matched_entropy"})
    (scaled,) = teacher_answers(context, [teacher], card, PARAMS, params)
    ratio = 2 / matched["teacher_temperature"]
    np.testing.assert_allclose(scaled, ratio * answers(card, teacher, 0), rtol=1e-5)


def test_the_entropy_of_a_dense_teacher_is_not_matched(card, teacher):
    with pytest.raises(BadInput, match="no sparse teacher"):
        student(card, teacher, answers="matched_entropy")
