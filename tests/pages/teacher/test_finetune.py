"""Fine-tune: a task, a checkpoint and parameters become a run; a finished teacher is shown."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from sparsekd.runs import store
from sparsekd.runs.records import Plan, State
from sparsekd.studies import recipes
from sparsekd.worker import work
from tests.pages.conftest import table
from tests.workshop import checkpoint_folder, task_folder

Open = Callable[..., AppTest]
FINETUNE = "pages/teacher/finetune.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A local task of one text column with two classes, one row in both files."""
    place = tmp_path / "my task"
    place.mkdir()
    rows = [
        f"film number {n} is {'good' if n % 2 else 'bad'},{'yes' if n % 2 else 'no'}"
        for n in range(40)
    ]
    (place / "train.csv").write_text("\n".join(["review,liked", *rows]))
    (place / "validation.csv").write_text("\n".join(["review,liked", "a fine film,yes", *rows[:1]]))
    return place


def test_the_demo_teacher_starts_from_the_demo_defaults(open_page: Open) -> None:
    app = open_page(FINETUNE)

    app.button(key="finetune.go").click().run()

    train, _, _ = recipes.defaults("demo:")
    assert [run.recipe for run in store.queued()] == [
        recipes.finetune("demo/sentiment", "demo:", train)
    ]


def test_changed_parameters_are_in_the_recipe(open_page: Open) -> None:
    app = open_page(FINETUNE)
    app.number_input(key="finetune.True.epochs").set_value(2)
    app.number_input(key="finetune.seed").set_value(7)

    app.button(key="finetune.go").click().run()

    recipe = store.queued()[0].recipe
    assert (recipe.params["train"]["epochs"], recipe.seed) == (2, 7)


def test_a_value_out_of_range_is_refused_and_nothing_starts(open_page: Open) -> None:
    app = open_page(FINETUNE)

    app.number_input(key="finetune.True.learning_rate").set_value(0.0).run()

    assert "learning\\_rate = 0.0" in app.error[0].value
    assert store.runs() == []


def typed(app: AppTest, folder: Path) -> AppTest:
    app.button_group(key="task.origin").set_value("A folder on this machine").run()
    return app.text_input(key="task.folder").set_value(str(folder)).run()


def chosen(app: AppTest, model: Path) -> AppTest:
    """Name a checkpoint's folder."""
    app.button_group(key="checkpoint.kind.Model from the hub").set_value(
        "A folder on this machine"
    ).run()
    return app.text_input(key="checkpoint.A folder on this machine").set_value(str(model)).run()


def named(app: AppTest) -> AppTest:
    """Choose the columns of the folder above."""
    next(box for box in app.multiselect if box.label == "Text columns").set_value(["review"])
    return (
        next(box for box in app.multiselect if box.label == "Label columns").select("liked").run()
    )


def test_a_local_folder_is_shown_before_anything_trains(open_page: Open, folder: Path) -> None:
    app = named(typed(open_page(FINETUNE), folder))

    assert not app.exception
    assert not app.error
    assert set(table(app, "text")["label"]) == {"yes", "no"}
    assert "50.0% of the validation texts" in app.warning[0].value
    shown = table(app, "contained").set_index("split")
    assert shown.loc["validation", ["examples", "duplicates"]].tolist() == [2, 1]
    assert len(store.tasks()) == 1


def test_columns_that_cannot_be_inferred_can_be_chosen(open_page: Open, folder: Path) -> None:
    app = typed(open_page(FINETUNE), folder)
    assert "No label column among" in app.error[0].value

    app = named(app)

    assert not app.exception
    assert not app.error
    assert list(table(app, "validation")["train"]) == [20, 20]


def test_a_folder_without_files_is_an_error_with_a_hint(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    app = typed(open_page(FINETUNE), tmp_path / "empty")

    assert "has no train file" in app.error[0].value
    assert "parquet" in app.info[-1].value


def test_a_share_of_train_is_offered_where_there_is_no_validation_file(
    open_page: Open, tmp_path: Path
) -> None:
    rows = "".join(f"film number {n};{'yes' if n % 2 else 'no'}\n" for n in range(40))
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "train.csv").write_text(f"review;label\n{rows}")

    app = typed(open_page(FINETUNE), tmp_path / "only")
    share = next(box for box in app.get("button_group") if "hold out" in box.label)
    assert not app.error and not store.tasks()
    app = share.set_value(0.2).run()

    assert not app.exception and not app.error
    words = " ".join(each.value for each in app.markdown)
    assert "columns are separated by semicolons" in words
    assert "20% of the labelled training rows" in words
    assert [card["validation_share"] for card in map(json.loads, store.tasks().values())] == [0.2]


def test_another_metric_makes_another_task(open_page: Open, folder: Path) -> None:
    app = named(typed(open_page(FINETUNE), folder))
    metric = next(box for box in app.selectbox if box.label == "Metric")

    metric.select("mcc").run()

    assert not app.error
    assert len(store.tasks()) == 2


def test_visitors_from_other_machines_are_not_offered_paths(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.parts.shell.frame.is_local_only", lambda: False)

    app = open_page(FINETUNE)

    assert "A folder on this machine" not in app.button_group(key="task.origin").options
    kinds = app.button_group(key="checkpoint.kind.Demo BERT (from scratch)").options
    assert "A folder on this machine" not in kinds


def test_a_hub_task_says_what_it_is_without_the_hub(open_page: Open) -> None:
    app = open_page(FINETUNE, task="glue/mrpc")
    app.text_input(key="checkpoint.Model from the hub").set_value("prajjwal1/bert-tiny").run()

    app.button(key="finetune.go").click().run()

    recipe = store.queued()[0].recipe
    assert (recipe.task, recipe.inputs) == ("glue/mrpc", {"checkpoint": "hub:prajjwal1/bert-tiny"})


def test_a_hub_id_with_a_path_in_it_is_refused(open_page: Open) -> None:
    app = open_page(FINETUNE, task="glue/mrpc")

    app.text_input(key="checkpoint.Model from the hub").set_value("../../etc/passwd").run()

    assert "is not a hub id" in app.error[0].value.replace("\\", "")


def test_a_finished_teacher_shows_its_metric_first(open_page: Open, study: Plan) -> None:
    app = open_page(FINETUNE)

    accuracy = store.runs("finetune")[0].outcome.metrics["validation"]["accuracy"]
    assert (app.metric[0].label, app.metric[0].value) == (
        "Accuracy on validation",
        f"{accuracy:.3f}",
    )


def test_a_teacher_is_above_the_majority_class_or_warned_of(open_page: Open, study: Plan) -> None:
    app = open_page(FINETUNE)
    assert any("points above the majority class" in words.value for words in app.markdown)
    assert not app.warning

    folder = store.folder(study.steps[0].recipe.run_id)
    logits = np.load(folder / "logits-validation.npy")
    np.save(folder / "logits-validation.npy", np.tile([1.0, 0.0], (len(logits), 1)))
    st.cache_data.clear()

    app = open_page(FINETUNE)
    assert "It answers one class to every text: negative" in app.warning[0].value.replace("\\", "")


def test_a_folder_that_cannot_be_read_is_refused_when_it_is_named(
    open_page: Open, tmp_path: Path
) -> None:
    task, model = task_folder(tmp_path / "task"), checkpoint_folder(tmp_path / "model")
    (model / "tokenizer.json").unlink()
    app = chosen(typed(open_page(FINETUNE), task), model)
    assert "has no tokenizer" in app.error[0].value
    assert "finetune.go" not in [button.key for button in app.button]


def test_a_finished_classifier_becomes_the_teacher_without_training(
    open_page: Open, tmp_path: Path
) -> None:
    task, model = task_folder(tmp_path / "task"), checkpoint_folder(tmp_path / "model")
    app = chosen(typed(open_page(FINETUNE), task), model)
    app.button_group(key="finetune.training").set_value("Use it as it is").run()
    assert "LABEL\\_0 = blame, LABEL\\_1 = praise" in app.warning[0].value
    order = next(box for box in app.text_input if box.label.startswith("Labels of its outputs"))
    order.set_value("praise, blame").run()

    app.button(key="finetune.use").click().run()

    recipe = store.queued()[0].recipe
    assert recipe.as_it_is
    assert recipe.params["label_order"] == ["praise", "blame"]
    assert recipe.params["train"]["max_length"] == 64  # as many as it has positions for

    work(recipe.run_id, "cpu")
    app.run()
    assert not app.exception
    assert store.get(recipe.run_id).state is State.DONE
    assert "Accuracy on validation" in [metric.label for metric in app.metric]
