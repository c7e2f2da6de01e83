"""Home: start the demo study, watch, cancel and resume it, read the result."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies import stark
from tests.pages.conftest import table
from tests.sample_study import fill_plan, sample_plan

Open = Callable[..., AppTest]


def demo() -> Plan:
    return stark.plan(stark.demo())


def states(plan: Plan) -> set[State]:
    return {run.state for run in store.get_many(s.recipe.run_id for s in plan.steps).values()}


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


def test_one_seed_shows_six_models_and_no_verdict(open_page: Open, study: Plan) -> None:
    app = open_page()

    assert "1 of at least 5 seeds" in app.info[0].value
    assert list(table(app, "parameters")["what"]) == [
        "Teacher",
        "Student with no soft labels",
        "Trial student (dense teacher)",
        "Sparse teacher",
        "Student of the sparse teacher",
        "Student of a teacher pruned at random",
        "Majority class",
    ]


def test_a_failed_run_says_why(open_page: Open, home: Path) -> None:
    plan = fill_plan(sample_plan(), until="teacher")
    run_id = plan.steps[0].recipe.run_id
    store.finish(run_id, State.FAILED, Outcome(message="The disk is full.", hint="Free it."), 1)

    app = open_page()

    assert "The disk is full. Free it." in app.error[0].value.replace("\\", "")


def test_a_broken_catalogue_is_an_error_box(open_page: Open, home: Path) -> None:
    (home / "catalog.sqlite").write_text("this is no database, but long enough to look at " * 50)

    app = open_page()

    assert "cannot be used" in app.error[0].value
