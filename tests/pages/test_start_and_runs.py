"""Home and Runs: press, watch, cancel, resume, find, delete."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from sparsekd.runs import jobs, store
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies import recipes, roles

from .conftest import fill_plan, finish, sample_plan, table

Open = Callable[..., AppTest]
RUNS = "pages/runs/overview.py"


def demo() -> Plan:
    return recipes.stark(recipes.demo_study())


def states(plan: Plan) -> set[State]:
    return {run.state for run in store.several(s.recipe.run_id for s in plan.steps).values()}


# --- Home ------------------------------------------------------------------------------------


def test_one_press_queues_the_whole_demo_study(open_page: Open) -> None:
    app = open_page()

    app.button(key="demo").click().run()

    assert not app.exception
    assert [plan.id for plan in store.plans()] == [demo().id]
    assert len(store.queued()) == len(demo().steps)
    assert app.button(key="demo").disabled


def test_a_second_browser_sees_the_running_study(open_page: Open) -> None:
    open_page().button(key="demo").click().run()

    other = open_page()

    assert other.button(key="demo").disabled
    assert other.button(key="home.cancel").label == "Cancel the study"


def test_a_cancelled_study_resumes(open_page: Open) -> None:
    app = open_page()
    app.button(key="demo").click().run()

    app.button(key="home.cancel").click().run()
    assert states(demo()) == {State.CANCELLED}

    app.button(key="home.resume").click().run()
    assert states(demo()) == {State.QUEUED}


def test_the_result_has_six_models_a_verdict_and_its_doubt(open_page: Open, study: Plan) -> None:
    app = open_page()

    assert "One seed proves nothing" in app.info[0].value
    assert list(table(app, "parameters")["what"]) == [roles.ROLES[role] for role in roles.REPORTED]


def test_a_failed_run_says_why(open_page: Open, home: Path) -> None:
    plan = fill_plan(sample_plan(), until="teacher")
    run_id = plan.steps[0].recipe.run_id
    store.finish(run_id, State.FAILED, Outcome(message="The disk is full.", hint="Free it."), 1)

    app = open_page()

    assert "The disk is full. Free it." in app.error[0].value.replace("\\", "")


def test_a_broken_catalogue_is_told_in_words(open_page: Open, home: Path) -> None:
    (home / "catalog.sqlite").write_text("this is no database, but long enough to look at " * 50)

    app = open_page()

    assert "cannot be used" in app.error[0].value


# --- Runs ------------------------------------------------------------------------------------


def test_a_link_selects_a_run(open_page: Open, study: Plan) -> None:
    scores = next(step for step in study.steps if step.role == "scores")

    app = open_page(RUNS, run=scores.recipe.run_id)

    assert app.subheader[0].value == "Scores"


def test_filters_narrow_the_table_and_stand_in_the_address(open_page: Open, study: Plan) -> None:
    app = open_page(RUNS)

    app.selectbox(key="url.stage").select("prune").run()

    assert len(app.dataframe[0].value) == 2
    assert app.query_params["stage"] == "prune"


def test_a_queued_run_says_what_it_waits_for(open_page: Open, home: Path) -> None:
    plan = fill_plan(sample_plan(), until="scores")
    scores, mask = plan.steps[3].recipe.run_id, plan.steps[4].recipe.run_id
    store.ask_to_cancel(scores)

    app = open_page(RUNS, run=mask)

    assert f"Waits for run {scores}, which is cancelled" in " ".join(c.value for c in app.caption)


def test_a_run_is_cancelled_and_resumed(open_page: Open, home: Path) -> None:
    teacher = fill_plan(sample_plan(), until="teacher").steps[0].recipe.run_id
    app = open_page(RUNS, run=teacher)

    app.button(key=f"run.{teacher}.cancel").click().run()
    assert store.get(teacher).state is State.CANCELLED

    app.button(key=f"run.{teacher}.resume").click().run()
    assert store.get(teacher).state is State.QUEUED


def test_deleting_asks_first(open_page: Open, home: Path) -> None:
    step = sample_plan().steps[0]
    store.create(step.recipe)
    run = finish(step)
    app = open_page(RUNS, run=run.id)

    assert app.get("popover")[0].proto.popover.label == "Delete …"
    app.button(key=f"run.{run.id}.delete").click().run()

    assert store.runs() == []
    assert not run.folder.exists()


def test_a_run_that_others_start_from_is_not_deleted(open_page: Open, study: Plan) -> None:
    teacher = study.steps[0].recipe.run_id
    app = open_page(RUNS, run=teacher)

    app.button(key=f"run.{teacher}.delete").click().run()

    assert store.get(teacher).state is State.DONE
    assert "starting point" in app.error[0].value


def test_the_device_picker_says_what_each_device_is(open_page: Open, home: Path) -> None:
    app = open_page()

    assert [device.name for device in jobs.devices(look=False)] == ["cpu"]
    assert app.selectbox(key="device").options == ["auto", "cpu: test processor"]
