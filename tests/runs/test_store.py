"""The catalogue: what it remembers, and that nothing but a held lock means running."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from sparsekd.errors import BadInput, NotFound, Unavailable
from sparsekd.runs import store
from sparsekd.runs.records import Event, Outcome, Plan, Progress, Recipe, Run, State, Step


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return tmp_path


def recipe(seed: int = 0, **inputs: str) -> Recipe:
    return Recipe("finetune", "demo/sentiment", "fine_tuning", inputs, {"train": {}}, seed)


def test_the_same_recipe_is_the_same_run():
    one = store.create(recipe())
    store.finish(one.id, State.DONE, Outcome({"validation": {"accuracy": 0.9}}), 2.0)
    again = store.create(recipe())
    assert again.id == one.id
    assert again.state is State.DONE
    assert again.outcome.metrics["validation"]["accuracy"] == 0.9
    assert store.create(recipe(seed=1)).id != one.id


def test_an_id_depends_on_every_part_of_a_recipe_and_on_no_order():
    base = Recipe("distil", "t", "m", {"a": "1", "b": "2"}, {"x": 1, "y": 2}, 0)
    turned = Recipe("distil", "t", "m", {"b": "2", "a": "1"}, {"y": 2, "x": 1}, 0)
    others = [
        Recipe("finetune", "t", "m", base.inputs, base.params, 0),
        Recipe("distil", "u", "m", base.inputs, base.params, 0),
        Recipe("distil", "t", "n", base.inputs, base.params, 0),
        Recipe("distil", "t", "m", {"a": "1", "b": "3"}, base.params, 0),
        Recipe("distil", "t", "m", base.inputs, {"x": 1, "y": 3}, 0),
        Recipe("distil", "t", "m", base.inputs, base.params, 1),
        Recipe("distil", "t", "m", base.inputs, base.params, 0, attempt=1),
        Recipe("distil", "t", "m", base.inputs, base.params, 0, repeat=1),
        Recipe("distil", "t", "m", base.inputs, base.params, 0, variant="1"),
    ]
    assert base.run_id == turned.run_id
    assert len({base.run_id, *(other.run_id for other in others)}) == 1 + len(others)


def test_running_means_that_a_lock_is_held():
    run = store.create(recipe())
    with store.hold_lock(run.id):
        store.start(run.id, "cpu", os.getpid())
        assert store.get(run.id).state is State.RUNNING
    found = store.get(run.id)
    assert found.state is State.INTERRUPTED
    assert "Resume" in found.outcome.hint


READS: dict[str, Callable[[str], Run]] = {
    "get": lambda name: store.get(name),
    "get_many": lambda name: store.get_many([name])[name],
    "runs": lambda name: store.runs()[0],
}


@pytest.mark.parametrize("read", READS)
def test_a_run_that_ends_while_it_is_read_is_not_called_interrupted(
    read: str, monkeypatch: pytest.MonkeyPatch
):
    """Its row is read, then its worker writes the end and releases the lock, which is then free."""
    run, is_locked, lock = store.create(recipe()), store.is_locked, ExitStack()
    lock.enter_context(store.hold_lock(run.id))
    store.start(run.id, "cpu", os.getpid())

    def end_first(run_id: str) -> bool:
        store.finish(run.id, State.DONE, Outcome(), 1.0)
        lock.close()
        return is_locked(run_id)

    monkeypatch.setattr(store, "is_locked", end_first)
    found = READS[read](run.id)
    assert (found.id, found.state, found.seconds) == (run.id, State.DONE, 1.0)


HOLDER = """
import sys, time
from sparsekd.runs import store
with store.hold_lock(sys.argv[1]):
    store.start(sys.argv[1], "cpu", 1)
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_worker_reads_as_interrupted_and_another_may_begin():
    run = store.create(recipe())
    worker = subprocess.Popen(
        [sys.executable, "-c", HOLDER, run.id], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "held\n"
    assert store.get(run.id).state is State.RUNNING
    with pytest.raises(BadInput, match="another process"), store.hold_lock(run.id):
        pass
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert store.get(run.id).state is State.INTERRUPTED
    with store.hold_lock(run.id):
        assert store.is_locked(run.id)


def test_runs_are_found_by_the_beginning_of_their_id():
    run = store.create(recipe())
    assert store.get(run.id[:4]).id == run.id
    with pytest.raises(NotFound, match="no run"):
        store.get(run.id[:3])


def test_numbers_survive_and_those_of_a_lost_step_are_forgotten():
    run = store.create(recipe())
    progress = Progress("epoch 1", 3, 10, 120.0, 7.0, 300.0)
    store.report(run.id, progress, [Event(s, "loss/hard", 1.0 / s) for s in (1, 2, 3)])
    store.report(run.id, progress, [Event(3, "loss/hard", 0.25)])
    assert store.get(run.id).progress == progress
    assert [(e.step, e.value) for e in store.events(run.id)] == [(1, 1.0), (2, 0.5), (3, 0.25)]
    store.delete_events_after(run.id, 1)
    assert [event.step for event in store.events(run.id)] == [1]


def test_the_seconds_of_all_attempts_add_up():
    run = store.create(recipe())
    store.finish(run.id, State.CANCELLED, Outcome(), 2.0)
    store.requeue(run.id)
    assert store.get(run.id).state is State.QUEUED
    store.finish(run.id, State.DONE, Outcome(), 3.0)
    assert store.get(run.id).seconds == 5.0
    store.requeue(run.id)
    assert store.get(run.id).state is State.DONE


def test_a_queued_run_is_cancelled_at_once_a_running_one_is_asked():
    waiting, working = store.create(recipe(0)), store.create(recipe(1))
    with store.hold_lock(working.id):
        store.start(working.id, "cpu", os.getpid())
        for run in (waiting, working):
            assert not store.cancel_requested(run.id)
            store.request_cancel(run.id)
        assert store.get(waiting.id).state is State.CANCELLED
        assert store.get(working.id).state is State.RUNNING
        assert store.cancel_requested(working.id)


def test_what_others_start_from_or_what_runs_is_not_deleted():
    teacher = store.create(recipe())
    student = store.create(recipe(1, teacher=teacher.id))
    (teacher.folder / "model").mkdir(parents=True)
    with pytest.raises(BadInput, match=student.id):
        store.delete(teacher.id)
    with store.hold_lock(student.id):
        store.start(student.id, "cpu", os.getpid())
        with pytest.raises(BadInput, match="running"):
            store.delete(student.id)
    store.delete(student.id)
    store.delete(teacher.id)
    assert store.runs() == []
    assert not teacher.folder.exists()


def test_plans_come_back_as_they_were():
    plan = Plan("A study", "demo/sentiment", (Step("teacher", recipe()), Step("s", recipe(1))))
    store.save_plan(plan)
    assert store.plan(plan.id) == plan
    with pytest.raises(NotFound, match="study"):
        store.plan("nothing")


def test_a_newer_catalogue_is_left_alone(home: Path):
    store.create(recipe())
    with sqlite3.connect(home / "catalog.sqlite") as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(Unavailable, match="newer SparseKD"):
        store.runs()


def test_a_broken_catalogue_says_what_to_do(home: Path):
    (home / "catalog.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(Unavailable, match=r"cannot be used.*runs recover"):
        store.runs()


def test_a_home_that_cannot_be_made_is_named(home: Path, monkeypatch: pytest.MonkeyPatch):
    (home / "file").write_text("in the way")
    monkeypatch.setenv("SPARSEKD_HOME", str(home / "file" / "below"))
    with pytest.raises(Unavailable, match=str(home / "file")):
        store.runs()


@pytest.mark.parametrize("name", ["episode_steps", "rehearsal_steps"])
def test_the_steps_of_training_episodes_are_read_under_their_earlier_name_too(name):
    assert Outcome(facts={name: 40}).episode_steps == 40
    assert Outcome().episode_steps == 0
