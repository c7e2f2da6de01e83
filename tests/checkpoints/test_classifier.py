"""Whether a folder holds a finished classifier of a task, and which output is which label."""

import json
from pathlib import Path

import numpy as np
import pytest

from sparsekd import checkpoints
from sparsekd.checkpoints import classifier
from sparsekd.errors import SparseKDError
from sparsekd.runs import references, store
from sparsekd.runs.records import Recipe
from sparsekd.tasks import TaskCard, label_orders
from tests.conftest import tiny_model
from tests.workshop import checkpoint_folder, command, done, task_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A classifier of two outputs without names."""
    return checkpoint_folder(tmp_path / "model")


@pytest.fixture
def card(tmp_path: Path, home: Path) -> TaskCard:
    """A task of the labels blame and praise."""
    return references.task(str(task_folder(tmp_path / "task")))


def labelled(folder: Path, *names: str) -> None:
    file = folder / "config.json"
    known = json.loads(file.read_text()) | {"id2label": dict(enumerate(names)), "label2id": None}
    file.write_text(json.dumps(known))


def test_outputs_without_names_are_assumed_to_have_the_task_s_order(
    folder: Path, card: TaskCard
) -> None:
    found = checkpoints.inspect(folder)
    classifier.check(found, card)
    words = classifier.assumption(found.labels[0], card)
    assert "LABEL_0 = blame, LABEL_1 = praise" in words
    labelled(folder, "praise", "blame")
    assert classifier.assumption(checkpoints.inspect(folder).labels[0], card) == ""


@pytest.mark.parametrize(
    ("names", "order", "words"),
    [
        (("good", "bad"), (), "predicts good, bad; local/task-.* has blame, praise"),
        (("a", "b", "c"), (), "config.json says 3 labels, the weights have 2"),
        (("praise", "blame"), ("blame", "praise"), "for outputs without names; .* praise, blame"),
        (("0", "1"), ("blame", "blame"), "does not name each label of .* once: blame, praise"),
    ],
)
def test_other_labels_sizes_and_orders_are_refused(
    names: tuple[str, ...], order: tuple[str, ...], words: str, folder: Path, card: TaskCard
) -> None:
    labelled(folder, *names)
    with pytest.raises(SparseKDError, match=words):
        classifier.check(checkpoints.inspect(folder), card, order)


def test_an_encoder_alone_is_no_classifier(tmp_path: Path, folder: Path, card: TaskCard) -> None:
    sizes = {"layers": 2, "heads": 2, "hidden": 16, "neurons": 24, "vocabulary": 24}
    tiny_model("bert", **sizes).base_model.save_pretrained(folder)
    with pytest.raises(SparseKDError, match="it lacks the weight bert"):
        classifier.check(checkpoints.inspect(folder), card)


def test_the_best_order_is_the_one_with_the_most_right_answers(card: TaskCard) -> None:
    labels = np.array([0, 0, 1, 1, 1])
    answers = np.eye(2)[[1, 1, 0, 0, 1]]
    assert label_orders.best_order(card, answers, labels) == (("praise", "blame"), 0.8)


def test_a_classifier_becomes_a_teacher_as_it_is_and_its_order_can_be_given(
    folder: Path, card: TaskCard, home: Path
) -> None:
    words = ("finetune", "--task", card.name, "--checkpoint", str(folder), "--epochs", "0")
    assumed = json.loads(command(home, *words, "--json").stdout)
    given = json.loads(command(home, *words, "--label-order", "praise,blame", "--json").stdout)
    first, second = (each["metrics"]["validation"]["accuracy"] for each in (assumed, given))
    assert first + second == pytest.approx(1.0)
    evaluate = ("evaluate", "--model", str(folder), "--task", card.name)
    said = command(home, *evaluate)
    assert f"accuracy {first:.4f}" in said.stdout
    assert "LABEL_0 = blame, LABEL_1 = praise" in said.stderr
    swapped = command(home, *evaluate, "--label-order", "praise,blame")
    assert f"accuracy {second:.4f}" in swapped.stdout
    assert "LABEL_0" not in swapped.stderr

    teacher = given["id"]
    assert store.get(teacher).recipe.as_it_is
    model = json.loads((store.folder(teacher) / "model" / "config.json").read_text())
    assert model["id2label"] == {"0": "blame", "1": "praise"}
    with pytest.raises(SparseKDError, match="was fine-tuned elsewhere"):
        references.pretrained(teacher)
    values = {"score": {"split": "selection"}, "max_length": 16}
    scored = Recipe("score", card.name, "", {"teacher": teacher, "student": teacher}, values)
    assert done(scored).outcome.facts["gold_labels"] > 0


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("--label-order", "praise,blame"), "used as it is. Train it for 0 epochs"),
        (("--epochs", "0", "--label-order", "good,bad"), "does not name each label"),
    ],
)
def test_a_label_order_that_cannot_be_used_is_refused_before_a_run(
    words: tuple[str, ...], refusal: str, folder: Path, card: TaskCard, home: Path
) -> None:
    asked = ("finetune", "--task", card.name, "--checkpoint", str(folder), *words)
    assert refusal in command(home, *asked, code=2).stderr
    assert not store.runs()


def test_predict_refuses_a_text_past_the_positions_and_writes_nothing(
    folder: Path, home: Path, tmp_path: Path
) -> None:
    texts, out = tmp_path / "texts.csv", tmp_path / "answers.csv"
    texts.write_text(f"text\n{'film ' * 90}film\n")
    words = ("predict", "--model", str(folder), "--input", str(texts), "--out", str(out))
    assert (
        "reads at most 64 tokens, the longest text has 93" in command(home, *words, code=2).stderr
    )
    assert not out.exists()
    command(home, *words, "--max-length", "64")
    assert out.exists()
