"""What people type: names, folders, run ids, hub ids, and odd texts."""

from pathlib import Path

import pytest

from sparsekd.errors import BadInput, NotFound, SparseKDError
from sparsekd.runs import references, store
from sparsekd.runs.records import Recipe
from tests.workshop import checkpoint_folder, task_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_folder_becomes_a_task_that_is_found_by_name_afterwards(home: Path):
    card = references.task(str(task_folder(home / "reviews")))
    assert card.name.startswith("local/reviews-")
    assert card.labels == ("blame", "praise")
    assert references.card(card.name) == card
    assert references.task(card.name) == card


def test_other_files_are_another_task(home: Path):
    folder = task_folder(home / "reviews")
    first = references.task(str(folder))
    with (folder / "train.csv").open("a") as file:
        file.write("the plot is long and long,blame\n")
    assert references.task(str(folder)).name != first.name


def test_another_selection_split_is_another_task_and_the_first_keeps_its_name(home: Path):
    folder = str(task_folder(home / "reviews"))
    plain, grouped = references.task(folder), references.task(folder, groups="text")
    assert references.task(folder).name == plain.name != grouped.name
    assert references.task(plain.name) == plain
    assert references.task(plain.name, groups="text") == references.task(grouped.name) == grouped
    assert references.task("glue/rte", groups="text").name == "glue/rte-grouped"
    with pytest.raises(BadInput, match="cannot be chosen"):
        references.task("demo/sentiment", groups="text")


def test_a_model_reference_changes_with_its_weights(home: Path):
    folder = checkpoint_folder(home / "model")
    first = references.model(str(folder))
    assert first == references.model(str(folder))
    assert references.folder(first) == folder
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert references.model(str(folder)) != first
    with pytest.raises(BadInput, match="has changed"):
        references.folder(first)


def test_runs_hub_ids_and_the_demo_are_told_apart():
    run = store.create(Recipe("finetune", "demo/sentiment", "fine_tuning", {"checkpoint": "demo:"}))
    scores = store.create(Recipe("score", "demo/sentiment"))
    assert references.model(run.id[:6]) == run.id
    assert references.model("google-bert/bert-base-uncased").startswith("hub:")
    assert references.model("demo:") == "demo:"
    assert references.model("demo:distilbert") == "demo:distilbert"
    with pytest.raises(NotFound, match="Did you mean demo:distilbert"):
        references.model("demo:distillbert")
    assert references.finetuned(run.id) == run.recipe
    assert references.finetuned("google-bert/bert-base-uncased") is None
    with pytest.raises(BadInput, match="leaves no model"):
        references.model(scores.id)


def test_a_pruned_teacher_descends_from_the_dense_one_and_its_checkpoint():
    dense = store.create(Recipe("finetune", "t", "fine_tuning", {"checkpoint": "hub:bert"}))
    sparse = store.create(Recipe("prune", "t", "scores", {"teacher": dense.id}))
    student = store.create(Recipe("distil", "t", "m", {"teacher": sparse.id, "init": dense.id}))
    assert references.dense(sparse.id) == references.dense(dense.id) == dense.id
    assert references.origin(student.id) == references.origin(sparse.id) == "hub:bert"


@pytest.mark.parametrize(
    "text", ["", "~nobody/x", "x" * 5000, "a\0b", "../..", "demo/", "🎬", "/", "<b>", "glue/sst-2"]
)
def test_odd_names_end_in_words(text: str):
    with pytest.raises(SparseKDError) as task:
        references.task(text)
    assert task.value.hint
    if text == "~nobody/x":
        with pytest.raises(NotFound, match="no folder"):
            references.model("~nobody/x/y")
