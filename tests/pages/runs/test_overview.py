"""Runs: find, cancel, resume and delete a run."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from sparsekd.runs import store
from sparsekd.runs.records import Plan, State
from tests.sample_study import fill_plan, finish, sample_plan

Open = Callable[..., AppTest]
RUNS = "pages/runs/overview.py"


def test_a_link_selects_a_run(open_page: Open, study: Plan) -> None:
    scores = next(step for step in study.steps if step.role == "scores")

    app = open_page(RUNS, run=scores.recipe.run_id)

    assert app.subheader[0].value == "Scores"


def test_filters_narrow_the_table_and_are_in_the_address(open_page: Open, study: Plan) -> None:
    app = open_page(RUNS)

    app.selectbox(key="url.stage").select("prune").run()

    assert len(app.dataframe[0].value) == 2
    assert app.query_params["stage"] == "prune"


def test_a_queued_run_says_what_it_waits_for(open_page: Open, home: Path) -> None:
    plan = fill_plan(sample_plan(), until="scores")
    scores, mask = plan.steps[3].recipe.run_id, plan.steps[4].recipe.run_id
    store.request_cancel(scores)

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
