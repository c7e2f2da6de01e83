"""Several teachers of one task, of other architectures, tokenizers and label orders."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import models
from transformers import PreTrainedTokenizerFast

from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.methods.teacher_rewards import held_out_losses, mixture_weights
from sparsekd.models import architectures, loading
from sparsekd.models.classifiers import name_labels
from sparsekd.runs import references, store, tables
from sparsekd.runs.records import Recipe, State
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.studies import recipes
from sparsekd.tasks import TASKS, TaskCard
from sparsekd.worker import work
from tests.conftest import tiny_model, tiny_tokenizer
from tests.workshop import done, task_folder

PARAMS = TrainParams(epochs=1, batch_size=32, learning_rate=3e-3, max_length=16)
LABELS = ("blame", "praise")


def backwards() -> PreTrainedTokenizerFast:
    """A tokenizer of the same words under other numbers."""
    tokenizer = tiny_tokenizer()
    words = tokenizer.get_vocab()
    special = {word: number for word, number in words.items() if word.startswith("[")}
    rest = sorted(set(words) - set(special), reverse=True)
    ids = special | {word: number for number, word in enumerate(rest, start=len(special))}
    tokenizer.backend_tokenizer.model = models.WordLevel(ids, unk_token="[UNK]")
    return tokenizer


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskCard:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return references.task(str(task_folder(tmp_path / "task")))


def teacher(folder: Path, architecture="bert", tokenizer=None, labels=LABELS, seed=0):
    """A tiny classifier of the task, as a reference."""
    model = tiny_model(architecture, vocabulary=24, heads=2, hidden=16, seed=seed)
    name_labels(model, labels, kind="classes")
    loading.save(model, tokenizer or tiny_tokenizer(), folder)
    return references.model(str(folder))


def logits_of(reference: str, card: TaskCard) -> np.ndarray:
    run = store.create(Recipe("distil", card.name, "vanilla", {"teacher": reference}))
    context = StageContext(run.recipe, "cpu", run.folder)
    return inputs.teacher_logits(context, reference, card, PARAMS)


def test_a_student_learns_from_two_architectures_with_two_tokenizers(card, tmp_path):
    first = teacher(tmp_path / "one")
    second = teacher(tmp_path / "two", "distilbert", backwards(), seed=1)
    method = TeacherSelectionParams(rewards=3)
    recipe = recipes.distil(
        card.name,
        "teacher_selection",
        first,
        PARAMS,
        method,
        StudentParams(layers=1),
        others=[second],
    )
    store.create(recipe, "cpu")
    work(recipe.run_id, "cpu")
    run = store.get(recipe.run_id)
    assert run.state is State.DONE, f"{run.outcome.message} {run.outcome.hint}"
    assert run.recipe.teachers == [first, second]
    names = set(tables.curves(run.id)["name"])
    assert {"share/teacher_1", "share/teacher_2", "reward/held_out"} <= names
    assert run.outcome.facts["held_out_passes"] == 3 + 1
    agreed = run.outcome.facts["choice_agreement"]
    assert agreed["chance"] == 0.5
    assert all(0 <= agreed[name] <= 1 for name in ("oracle", "equal"))
    assert {"loss/soft", "loss/hard"} <= names
    assert set(tables.findings(run)["teacher"]) == {1, 2}


def test_a_teachers_logits_are_computed_from_its_own_tokens(card, tmp_path):
    mine, other = teacher(tmp_path / "one"), teacher(tmp_path / "two", tokenizer=backwards())
    assert not np.allclose(logits_of(mine, card), logits_of(other, card))


def test_labels_in_another_order_are_put_in_the_tasks_order(card, tmp_path):
    plain = teacher(tmp_path / "plain")
    model, tokenizer = loading.load_saved(tmp_path / "plain")
    last = architectures.classifier(model)
    with torch.no_grad():
        last.weight.copy_(last.weight.flip(0))
        last.bias.copy_(last.bias.flip(0))
    model.config.id2label = {0: "praise", 1: "blame"}
    model.config.label2id = {"praise": 0, "blame": 1}
    loading.save(model, tokenizer, tmp_path / "turned")
    turned = references.model(str(tmp_path / "turned"))
    assert np.array_equal(logits_of(plain, card), logits_of(turned, card))


@pytest.mark.parametrize("labels", [("blame", "thanks"), ("blame", "praise", "neither")])
def test_other_labels_are_refused(card, tmp_path, labels):
    model = tiny_model(labels=len(labels), vocabulary=24, heads=2, hidden=16)
    model.config.id2label = dict(enumerate(labels))
    loading.save(model, tiny_tokenizer(), tmp_path / "other")
    with pytest.raises(Incompatible, match=", ".join(labels)):
        logits_of(references.model(str(tmp_path / "other")), card)


def test_one_teacher_or_the_same_one_twice_is_refused_before_anything_runs():
    def plan(others):
        return recipes.distil(
            "demo/sentiment",
            "teacher_selection",
            "a" * 12,
            PARAMS,
            TeacherSelectionParams(),
            StudentParams(),
            others=others,
        )

    with pytest.raises(BadInput, match="2 to 8 teachers, not 1"):
        plan([])
    with pytest.raises(BadInput, match="named twice"):
        plan(["a" * 12])
    with pytest.raises(BadInput, match="1 teacher, not 2"):
        recipes.distil(
            "demo/sentiment",
            "vanilla",
            "a" * 12,
            PARAMS,
            VanillaParams(),
            StudentParams(),
            others=["b" * 12],
        )


def test_the_two_demo_checkpoints_differ_in_architecture_and_tokens():
    task = TASKS["demo/inference"]
    (one, first), (two, second) = (
        inputs.load_pretrained(name, task, 0) for name in ("demo:", "demo:distilbert")
    )
    assert (one.config.model_type, two.config.model_type) == ("bert", "distilbert")
    assert first.get_vocab() != second.get_vocab()
    assert one.config.id2label == two.config.id2label == dict(enumerate(task.labels))
    again, _ = inputs.load_pretrained("demo:distilbert", task, 0)
    assert all(torch.equal(a, b) for a, b in zip(two.parameters(), again.parameters(), strict=True))


def test_fixed_weights_read_the_teachers_answers_on_the_selection_split(card, tmp_path):
    names = [teacher(tmp_path / "one"), teacher(tmp_path / "two", seed=1)]
    method = TeacherSelectionParams(choose="held_out_weights")
    recipe = recipes.distil(
        card.name,
        "teacher_selection",
        names[0],
        PARAMS,
        method,
        StudentParams(layers=1),
        others=names[1:],
    )
    run = done(recipe)
    logits = []
    for name in names:
        context = StageContext(run.recipe, "cpu", run.folder)
        logits.append(inputs.teacher_logits(context, name, card, PARAMS, "selection"))
    labels = torch.from_numpy(np.load(run.folder / "labels-selection.npy"))
    losses = held_out_losses(torch.from_numpy(np.stack(logits, axis=1)), labels)
    curve = tables.curves(run.id)
    share = curve[curve["name"] == "share/teacher_1"]["value"]
    assert list(share) == pytest.approx([float(mixture_weights(losses)[0])] * len(share))
    assert share.iloc[0] != pytest.approx(0.5, abs=1e-6)
