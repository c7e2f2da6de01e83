"""Progress reports, logged numbers and cancellation of a run, as they arrive in the catalogue."""

import time
from pathlib import Path

import pytest

from sparsekd.errors import Cancelled
from sparsekd.runs import store
from sparsekd.runs.records import Event, Recipe
from sparsekd.stages import context as module
from sparsekd.stages.context import StageContext
from sparsekd.stages.training import log_event
from sparsekd.training.events import CacheProgress, EpochEnded, StepLogged


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageContext:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    run = store.create(Recipe("distil", "demo/sentiment", "vanilla", {"teacher": "a" * 12}), "cpu")
    return StageContext(run.recipe, "cpu", run.folder)


def test_numbers_logged_between_two_reports_come_with_the_next_one(context, monkeypatch):
    monkeypatch.setattr(module, "REPORT_INTERVAL", 3600.0)
    run_id = context.recipe.run_id
    context.report("phase", 1, 10, [Event(1, "loss/hard", 0.5)], now=True)
    context.report("phase", 2, 10, [Event(2, "loss/hard", 0.4)])
    assert [event.step for event in store.events(run_id)] == [1]
    assert store.get(run_id).progress.done == 1
    context.report("phase", 10, 10, [Event(10, "loss/hard", 0.3)])  # the end is always reported
    assert [event.step for event in store.events(run_id)] == [1, 2, 10]
    assert store.get(run_id).progress.done == 10


def test_the_time_left_is_estimated_from_the_phase_so_far(context):
    context.phase_starts["phase"] = time.monotonic() - 6
    context.report("phase", 2, 8, now=True)
    assert store.get(context.recipe.run_id).progress.eta == pytest.approx(18, rel=0.05)


def test_a_request_to_cancel_is_read_with_the_next_report(context):
    store.start(context.recipe.run_id, "cpu", 1)
    context.report("phase", 0, 2, now=True)
    assert not context.should_stop()
    context.raise_if_cancelled()
    store.request_cancel(context.recipe.run_id)
    assert not context.should_stop()
    with pytest.raises(Cancelled, match="on request"):
        context.progress_callback("phase")(
            {"done": 2, "total": 2, "examples_per_second": 1.0, "eta": 0.0}
        )


def test_events_of_a_training_become_progress_and_logged_numbers(context):
    run_id = context.recipe.run_id
    log_event(context, CacheProgress(20, 20))
    assert store.get(run_id).progress.phase == "teachers' internal states"
    position = {"steps": 12, "epochs": 3, "episodes": 1, "examples_per_second": 5.0, "eta": 1.0}
    log_event(
        context,
        StepLogged(
            step=4,
            epoch=0,
            episode=0,
            losses={"hard": 0.5},
            logged=[(3, "reward/total", 2.0)],
            **position,
        ),
    )
    assert store.get(run_id).progress.phase == "episode 1 of 1, epoch 1 of 3"
    log_event(
        context,
        EpochEnded(
            step=8,
            epoch=1,
            episode=1,
            losses={"hard": 0.25},
            logged=[],
            metrics={"accuracy": 0.75},
            best=True,
            **position,
        ),
    )
    progress = store.get(run_id).progress
    assert (progress.phase, progress.done, progress.total) == ("epoch 2 of 3", 8, 12)
    assert (progress.examples_per_second, progress.eta) == (5.0, 1.0)
    assert {(event.step, event.name, event.value) for event in store.events(run_id)} == {
        (3, "reward/total", 2.0),
        (4, "loss/hard", 0.5),
        (8, "loss/hard", 0.25),
        (8, "selection/accuracy", 0.75),
    }
