"""Runs while the page is open: the demo study; a run cancelled, resumed, left alone."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sparsekd.catalog.parameters import TrainParams
from sparsekd.runs import jobs, store
from sparsekd.runs.records import State
from sparsekd.studies import recipes, roles
from sparsekd.system import locks
from tests.browser.conftest import Server, serving, settled
from tests.sample_study import finish

Visit = Callable[..., Any]
SHORT = 90  # seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose runs are real."""
    with serving(tmp_path_factory.mktemp("working")) as running:
        yield running


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition on the store holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)


def test_a_run_is_cancelled_resumed_and_outlives_the_server(visit: Visit, server: Server) -> None:
    train = TrainParams(epochs=3, batch_size=32, learning_rate=5e-4, train_examples=1500)
    (run,) = jobs.submit([recipes.finetune("demo/sentiment", "demo:", train)])

    def state() -> State:
        return store.get(run.id).state

    until(lambda: store.get(run.id).progress.done > 0, SHORT, "the run at work")
    page = visit(f"{server.url}/runs?v=1&run={run.id}")
    page.get_by_role("button", name="Cancel").click()
    until(lambda: state() is State.CANCELLED, SHORT, "the run cancelled")
    page.get_by_text("Cancelled").first.wait_for()

    page.get_by_role("button", name="Resume").click()
    until(lambda: state() is State.RUNNING, SHORT, "the run resumed")
    server.stop()
    assert state() is State.RUNNING
    server.start()

    page = visit(f"{server.url}/runs?v=1&run={run.id}")
    until(lambda: state() is State.DONE, SHORT, "the run done")
    page.get_by_text("Done", exact=True).first.wait_for()
    assert store.get(run.id).outcome.metrics["validation"]["accuracy"] > 0.4


def test_the_demo_study_is_followed_to_its_end_across_a_reload(
    visit: Visit, server: Server
) -> None:
    """Its first run trains for real; the rest of the study's minutes are written by hand."""
    page = visit(server.url)
    page.get_by_role("button", name="Run the demo study").click()
    page.get_by_text("runs done").wait_for()
    (plan,) = store.plans()
    first = plan.steps[0].recipe.run_id
    until(lambda: store.get(first).progress.done > 0, SHORT, "the first progress")

    page.reload()
    settled(page)
    page.get_by_text("runs done").wait_for()
    assert page.get_by_role("button", name="The demo study is running").is_disabled()

    page.get_by_role("button", name="Cancel the study").click()
    until(lambda: not locks.is_locked(jobs.queue_lock()), SHORT, "the end of the queue")
    page.get_by_role("button", name="Run the demo study").wait_for()
    for step in plan.steps:
        store.requeue(step.recipe.run_id)
        finish(step)

    page.reload()
    page.get_by_role("button", name="Show the demo study").wait_for()
    page.get_by_text(roles.ROLES["random_mask_student"]).first.wait_for()
    page.locator("[data-testid=stPlotlyChart], [data-testid=stVegaLiteChart]").first.wait_for()
