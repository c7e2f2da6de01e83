"""The queue: who may start, on which device, and what keeps a run from starting."""

from pathlib import Path

import pytest

from sparsekd import jobs, store
from sparsekd.errors import BadInput, NotFound
from sparsekd.queue import startable
from sparsekd.records import Outcome, Recipe, State


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A store whose queue is never woken: these tests look at what it would do."""
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    woken: list[str] = []
    monkeypatch.setattr(jobs, "wake", lambda: woken.append("woken"))
    return woken


def recipe(seed: int, *needs: str) -> Recipe:
    inputs = {f"input{place}": needed for place, needed in enumerate(needs)}
    return Recipe("distil", "demo/sentiment", "vanilla", inputs, {}, seed)


def names(chosen: list) -> list[tuple[str, str]]:
    return [(run.id, device) for run, device in chosen]


def test_runs_start_in_the_order_asked_for_one_per_device():
    runs = [store.create(recipe(seed), "auto") for seed in range(3)]
    chosen = startable(store.queued(), ["cuda:0", "cuda:1", "cpu"], {"cpu"})
    assert names(chosen) == [(runs[0].id, "cuda:0"), (runs[1].id, "cuda:1")]


def test_a_run_waits_for_the_device_it_asks_for_and_lets_others_pass():
    picky, easy = store.create(recipe(0), "cuda:0"), store.create(recipe(1), "auto")
    chosen = startable(store.queued(), ["cuda:0", "cuda:1"], {"cuda:0"})
    assert names(chosen) == [(easy.id, "cuda:1")]
    assert names(startable([picky], ["cuda:0"], set())) == [(picky.id, "cuda:0")]


def test_nobody_lands_on_the_processor_unasked_where_there_is_a_gpu():
    easy, modest = store.create(recipe(0), "auto"), store.create(recipe(1), "cpu")
    chosen = startable(store.queued(), ["cuda:0", "cpu"], {"cuda:0"})
    assert names(chosen) == [(modest.id, "cpu")]
    assert names(startable([easy], ["cpu"], set())) == [(easy.id, "cpu")]


def test_a_run_waits_for_its_inputs():
    teacher = store.create(recipe(0))
    student = store.create(recipe(1, teacher.id, "folder:/somewhere#12"))
    assert names(startable([student], ["cpu"], set())) == []
    store.finish(teacher.id, State.DONE, Outcome(), 1.0)
    assert names(startable([student], ["cpu"], set())) == [(student.id, "cpu")]


def test_a_run_whose_input_does_not_exist_never_starts():
    orphan = store.create(recipe(0, "000000000000"))
    assert startable([orphan], ["cpu"], set()) == []


def test_the_stopped_run_behind_a_waiting_one_is_named_however_deep():
    teacher = store.create(recipe(0))
    trial = store.create(recipe(1, teacher.id))
    student = store.create(recipe(2, trial.id))
    assert jobs.blocker(student) is None
    store.finish(teacher.id, State.FAILED, Outcome(message="no"), 1.0)
    blocked = jobs.blocker(student)
    assert blocked is not None
    assert blocked.id == teacher.id


def test_resuming_a_run_resumes_what_it_starts_from():
    teacher = store.create(recipe(0))
    student = store.create(recipe(1, teacher.id))
    store.finish(teacher.id, State.CANCELLED, Outcome(), 1.0)
    store.finish(student.id, State.CANCELLED, Outcome(), 1.0)
    jobs.resume(student.id)
    assert {run.state for run in store.runs()} == {State.QUEUED}
    assert store.queued()[0].id == teacher.id


def test_submitting_twice_queues_once_and_leaves_what_is_done():
    done, new = recipe(0), recipe(1)
    store.create(done)
    store.finish(done.run_id, State.DONE, Outcome(), 1.0)
    for _ in range(2):
        jobs.submit([done, new])
    assert [run.id for run in store.queued()] == [new.run_id]


def test_submitting_a_failed_recipe_tries_it_again():
    run = store.create(recipe(0))
    store.finish(run.id, State.FAILED, Outcome(message="disk full"), 1.0)
    jobs.submit([recipe(0)])
    assert store.get(run.id).state is State.QUEUED
    assert store.get(run.id).outcome.message == ""


def test_what_is_done_is_neither_cancelled_nor_resumed():
    run = store.create(recipe(0))
    store.finish(run.id, State.DONE, Outcome(), 1.0)
    with pytest.raises(BadInput, match="is done"):
        jobs.cancel(run.id)
    with pytest.raises(BadInput, match="is done"):
        jobs.resume(run.id)


def test_an_unknown_device_is_refused_before_anything_is_queued():
    with pytest.raises(NotFound, match="no device 'cuda:7'"):
        jobs.submit([recipe(0)], "cuda:7")
    assert store.runs() == []


def test_a_sleeping_queue_is_woken_only_when_something_waits(home: list[str]):
    jobs.wake_if_asleep()
    assert home == []
    store.create(recipe(0))
    jobs.wake_if_asleep()
    assert home == ["woken"]
