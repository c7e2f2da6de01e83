"""Distil: one student, a whole study, a clone; the estimate."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.runs import references, store
from sparsekd.runs.records import Plan, State
from sparsekd.studies import recipes
from tests.sample_study import DEMO_TRAINING, fill_plan, sample_plan

Open = Callable[..., AppTest]
DISTIL = "pages/student/distil.py"


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


def test_a_student_of_a_dense_teacher_is_not_titled_one_of_a_sparse_teacher(
    open_page: Open, study: Plan
) -> None:
    app = open_page(DISTIL)
    app.number_input(key="distil.vanilla..temperature").set_value(4.0).run()

    app.button(key="distil.go").click().run()

    (run,) = store.queued()
    option = next(text for text in app.selectbox(key="url.run").options if text.endswith(run.id))
    assert option.startswith(f"Student of {study.steps[0].recipe.run_id}, ")


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
    app.button_group(key="distil.mode.").set_value("A study with controls").run()
    app.number_input(key="distil.mask.sparsity").set_value(0.6).run()

    app.button(key="study.go").click().run()

    latest = store.plans()[0]
    assert not app.exception
    assert latest.steps[0].recipe == study.steps[0].recipe
    masks = [s.recipe.params["mask"]["sparsity"] for s in latest.steps if "mask" in s.recipe.params]
    assert masks == [0.6, 0.6]


def test_a_method_of_several_teachers_offers_further_ones(open_page: Open, study: Plan) -> None:
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


def test_without_a_finished_teacher_the_page_links_to_it(open_page: Open, home: Path) -> None:
    fill_plan(sample_plan(), until="teacher")

    app = open_page(DISTIL)

    assert app.info[0].value == "The teacher is not ready yet."


def test_an_estimate_names_its_evidence(open_page: Open, study: Plan) -> None:
    app = open_page(DISTIL)

    words = " ".join(caption.value for caption in app.caption)
    assert "1 student, at most" in words
    assert "4 earlier runs" in words


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


def test_a_file_of_answers_takes_the_teachers_place(
    open_page: Open, study: Plan, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "answers.csv", tmp_path / "wrong.csv"
    right.write_text("text,label\nA film,positive\n")
    wrong.write_text("text,opinion\nA film,positive\n")
    app = open_page(DISTIL)

    app.text_input(key="answers.path.").set_value(str(wrong)).run()
    assert "has no answers" in app.error[0].value
    app.text_input(key="answers.path.").set_value(str(right)).run()
    app.button(key="distil.go").click().run()

    (run,) = store.queued()
    answers = references.teacher(str(right), references.card("demo/sentiment"))
    assert run.recipe.inputs == {"teacher": answers, "init": study.steps[0].recipe.run_id}
