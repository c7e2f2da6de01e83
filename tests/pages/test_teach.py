"""Fine-tune, Distil and Compare: what is asked for is what is queued, and what is shown is so."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.runs import store
from sparsekd.runs.records import Plan, State
from sparsekd.studies import recipes

from .conftest import DEMO_TRAINING, fill_plan, sample_plan, table

Open = Callable[..., AppTest]
FINETUNE, DISTIL = "pages/teacher/finetune.py", "pages/student/distil.py"
COMPARE = "pages/student/compare.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A local task of one text column with two classes, one row in both files."""
    place = tmp_path / "my task"
    place.mkdir()
    rows = [f"film number {n} is {'good' if n % 2 else 'bad'},{'yes' if n % 2 else 'no'}"
            for n in range(40)]  # fmt: skip
    (place / "train.csv").write_text("\n".join(["review,liked", *rows]))
    (place / "validation.csv").write_text("\n".join(["review,liked", "a fine film,yes", *rows[:1]]))
    return place


# --- Fine-tune -------------------------------------------------------------------------------


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


def test_a_value_out_of_range_is_refused_in_words_and_nothing_starts(open_page: Open) -> None:
    app = open_page(FINETUNE)

    app.number_input(key="finetune.True.learning_rate").set_value(0.0).run()

    assert "learning\\_rate = 0.0" in app.error[0].value
    assert store.runs() == []


def typed(app: AppTest, folder: Path) -> AppTest:
    app.button_group(key="task.origin").set_value("A folder on this machine").run()
    return app.text_input(key="task.folder").set_value(str(folder)).run()


def named(app: AppTest) -> AppTest:
    """The columns of the folder above, said by the visitor."""
    next(box for box in app.multiselect if box.label == "Text columns").set_value(["review"])
    return next(box for box in app.selectbox if box.label == "Label column").select("liked").run()


def test_a_local_folder_is_shown_before_anything_trains(open_page: Open, folder: Path) -> None:
    app = named(typed(open_page(FINETUNE), folder))

    assert not app.exception
    assert not app.error
    assert set(table(app, "text")["label"]) == {"yes", "no"}
    assert "1 validation row" in app.warning[0].value
    assert len(store.tasks()) == 1


def test_columns_that_cannot_be_guessed_are_asked_for(open_page: Open, folder: Path) -> None:
    app = typed(open_page(FINETUNE), folder)
    assert "No label column among" in app.error[0].value

    app = named(app)

    assert not app.exception
    assert not app.error
    assert list(table(app, "validation")["train"]) == [20, 20]


def test_a_folder_without_files_is_told_in_words(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    app = typed(open_page(FINETUNE), tmp_path / "empty")

    assert "has no train file" in app.error[0].value
    assert "parquet" in app.info[-1].value


def test_another_metric_makes_another_task(open_page: Open, folder: Path) -> None:
    app = named(typed(open_page(FINETUNE), folder))
    metric = next(box for box in app.selectbox if box.label == "Metric")

    metric.select("mcc").run()

    assert not app.error
    assert len(store.tasks()) == 2


def test_visitors_from_elsewhere_are_not_asked_for_paths(
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

    assert "is no hub id" in app.error[0].value.replace("\\", "")


def test_a_finished_teacher_shows_its_metric_first(open_page: Open, study: Plan) -> None:
    app = open_page(FINETUNE)

    accuracy = store.runs("finetune")[0].outcome.metrics["validation"]["accuracy"]
    assert (app.metric[0].label, app.metric[0].value) == (
        "Accuracy on validation",
        f"{accuracy:.3f}",
    )


# --- Distil ----------------------------------------------------------------------------------


def test_one_student_starts_from_its_teachers_layers(open_page: Open, study: Plan) -> None:
    app = open_page(DISTIL)
    app.number_input(key="distil.vanilla..temperature").set_value(4.0).run()

    app.button(key="distil.go").click().run()

    teacher = study.steps[0].recipe.run_id
    _, train, student = recipes.defaults("demo:")
    expected = recipes.distil(
        "demo/sentiment", "vanilla", teacher, train, VanillaParams(temperature=4.0), student
    )
    assert [run.recipe for run in store.queued()] == [expected]


def test_three_seeds_are_three_students(open_page: Open, study: Plan) -> None:
    app = open_page(DISTIL)
    app.number_input(key="distil.seeds.").set_value(3).run()

    app.button(key="distil.go").click().run()

    assert [run.recipe.seed for run in store.queued()] == [0, 1, 2]


def test_a_sparse_teacher_is_made_first_and_the_student_rewinds(
    open_page: Open, study: Plan
) -> None:
    app = open_page(DISTIL, lam="0.8", sparsity="0.4")
    teacher, scores = study.steps[0].recipe.run_id, study.steps[3].recipe.run_id
    box = app.selectbox(key=f"distil.scores.{teacher}")
    box.set_value(box.options[1]).run()

    app.button(key="distil.go").click().run()

    pruned, student = (run.recipe for run in store.queued())
    assert pruned.inputs == {"teacher": teacher, "scores": scores}
    assert (pruned.params["mask"]["lam"], pruned.params["mask"]["sparsity"]) == (0.8, 0.4)
    assert student.inputs == {"teacher": pruned.run_id, "init": teacher}


def test_the_whole_study_reuses_the_teacher(open_page: Open, study: Plan) -> None:
    app = open_page(DISTIL)
    app.button_group(key="distil.way.").set_value("The whole study, with controls").run()
    app.number_input(key="distil.mask.sparsity").set_value(0.6).run()

    app.button(key="study.go").click().run()

    latest = store.plans()[0]
    assert not app.exception
    assert latest.steps[0].recipe == study.steps[0].recipe
    masks = [s.recipe.params["mask"]["sparsity"] for s in latest.steps if "mask" in s.recipe.params]
    assert masks == [0.6, 0.6]


def test_a_method_of_several_teachers_asks_for_further_ones(open_page: Open, study: Plan) -> None:
    app = open_page(DISTIL)
    app.radio(key="distil.method.False.").set_value("teacher_selection").run()
    teacher, sparse = study.steps[0].recipe.run_id, study.steps[4].recipe.run_id
    further = app.multiselect(key=f"distil.further.{teacher}.teacher_selection.")
    assert len(further.value) == 1
    assert not any(option.endswith(teacher) for option in further.options)

    further.set_value([sparse]).run()
    app.button(key="distil.go").click().run()

    assert not app.exception
    (student,) = (run.recipe for run in store.queued())
    assert student.inputs == {"teacher": teacher, "teacher_2": sparse, "init": teacher}

    further = app.multiselect(key=f"distil.further.{teacher}.teacher_selection.")
    further.set_value([]).run()
    assert "learns from at least 2 teachers; 1 is chosen" in app.error[0].value


def test_a_clone_begins_with_the_runs_own_parameters(open_page: Open, study: Plan) -> None:
    trial = study.steps[2].recipe.run_id
    app = open_page(DISTIL, run=trial)

    app.button(key="clone").click().run()
    key = f"distil.demo/sentiment.{trial}"
    assert app.number_input(key=f"{key}.epochs").value == DEMO_TRAINING.epochs

    app.number_input(key=f"distil.seeds.{trial}").set_value(1).run()
    app.button(key="distil.go").click().run()
    assert store.queued() == []  # the same recipe: found, not repeated
    assert store.get(trial).state is State.DONE


def test_a_teacher_that_is_not_ready_is_waited_for(open_page: Open, home: Path) -> None:
    fill_plan(sample_plan(), until="teacher")

    app = open_page(DISTIL)

    assert app.info[0].value == "The teacher is not ready yet."


def test_an_estimate_names_its_evidence(open_page: Open, study: Plan) -> None:
    app = open_page(DISTIL)

    words = " ".join(caption.value for caption in app.caption)
    assert "1 student, at most" in words
    assert "4 earlier runs" in words


# --- Compare ---------------------------------------------------------------------------------


def test_wins_and_losses_are_counted_example_by_example(open_page: Open, study: Plan) -> None:
    app = open_page(COMPARE)

    runs = {step.role: store.folder(step.recipe.run_id) for step in study.steps}
    gold = np.load(runs["student"] / "labels-validation.npy")
    one, other = (
        np.load(runs[role] / "logits-validation.npy").argmax(axis=1) == gold
        for role in ("student", "trial_student")
    )
    shown = {metric.label: int(metric.value) for metric in app.metric}
    assert shown == {
        "Only the first right": int((one & ~other).sum()),
        "Only the second right": int((~one & other).sum()),
        "Both right": int((one & other).sum()),
        "Both wrong": int((~one & ~other).sum()),
    }
    assert list(table(app, "row")["row"]) == list(np.flatnonzero(one & ~other))


def test_only_what_differs_between_the_students_is_listed(open_page: Open, study: Plan) -> None:
    app = open_page(COMPARE)

    differing = table(app, "parameter").set_index("parameter")
    assert list(differing.index) == ["method", "teacher", "method alpha", "method temperature"]
    assert differing.loc["teacher", "Student of the sparse teacher"] == "Sparse teacher"
    assert differing.loc["teacher", "Student without teacher"] == "none"


def test_the_metric_stands_in_the_address(open_page: Open, study: Plan) -> None:
    app = open_page(COMPARE, metric="loss")

    assert app.button_group(key=f"compare.metric.{study.id}").value == "loss"
    assert "Loss:" in app.info[0].value


def test_the_command_that_repeats_the_study_is_shown(open_page: Open, study: Plan) -> None:
    app = open_page(COMPARE)

    assert app.code[0].value == recipes.command(store.plan(study.id))
    assert app.code[0].value.startswith("python -m sparsekd study --task demo/sentiment")


def test_an_older_study_is_chosen_in_the_sidebar(open_page: Open, study: Plan) -> None:
    other = fill_plan(sample_plan(lam=0.9))
    app = open_page(COMPARE)
    assert app.selectbox(key="url.study").value == other.id

    app.selectbox(key="url.study").set_value(study.id).run()

    assert app.query_params["study"] == study.id
    assert app.code[0].value == recipes.command(store.plan(study.id))


def test_the_cost_of_training_episodes_is_shown_before_they_are_launched(
    open_page: Callable[..., AppTest],
) -> None:
    fill_plan(sample_plan())
    app = open_page(DISTIL)
    method = next(radio for radio in app.radio if radio.key.startswith("distil.method"))
    method.set_value("knowledge_selection").run()
    told = " ".join(caption.value for caption in app.caption)
    params = METHODS["knowledge_selection"].params()
    assert f"{params.training_episodes} training episodes" in told
    assert f"{params.reward_passes} reward passes" in told
    assert f"{params.training_episodes + 1} trainings" in told
