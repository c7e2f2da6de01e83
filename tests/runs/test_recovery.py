"""A lost catalogue loses no run: the folders bring back what was finished."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest

from sparsekd.runs import jobs, kept_records, recovery, store
from sparsekd.runs.kept_records import RECORD
from sparsekd.runs.records import Event, Outcome, Plan, Progress, Run, State
from sparsekd.runs.schema import CATALOGUE
from tests.sample_study import fill_plan, sample_plan


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A finished study and a local task, in a store of the test's own without a queue."""
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    monkeypatch.setattr(jobs, "start_queue", lambda: None)
    plan = sample_plan()
    fill_plan(plan)
    store.save_task("local/mine-12345678", json.dumps({"title": "Meine Größe"}))
    return plan


def whole(run: Run) -> tuple[object, ...]:
    """All of a run that recovery must bring back."""
    events = store.events(run.id)
    times = (run.created, run.started, run.finished, run.seconds)
    return (run.recipe, run.state, run.device, run.outcome, times, events)


def lose(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


def spoil(path: Path) -> None:
    lose(path)
    path.write_bytes(b"no database at all" * 100)


def truncate(path: Path) -> None:
    content = path.read_bytes()
    lose(path)
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("harm", [lose, spoil, truncate])
def test_all_runs_studies_and_tasks_come_back(
    study: Plan, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    before = {run.id: whole(run) for run in store.runs()}
    assert any(events for *_, events in before.values())
    with store._database() as catalogue:  # what is in the log beside it goes into the file
        catalogue.commit()
        catalogue.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    harm(tmp_path / CATALOGUE)

    found = recovery.recover()

    assert {run.id: whole(run) for run in store.runs()} == before
    assert [plan.id for plan in store.plans()] == [study.id]
    assert json.loads(store.tasks()["local/mine-12345678"]) == {"title": "Meine Größe"}
    assert (sorted(found.runs), found.lost) == (sorted(before), [])
    assert bool(found.moved) == (harm is not lose)
    again = recovery.recover()
    assert (again.runs, again.plans, again.tasks, again.moved) == ([], [], [], "")


def test_a_run_that_was_at_work_is_interrupted_and_can_be_resumed(
    study: Plan, tmp_path: Path
) -> None:
    other = store.create(replace(study.steps[0].recipe, seed=77))
    with store.hold_lock(other.id):
        store.start(other.id, "cpu", 1)
        store.report(other.id, Progress("epoch 1 of 4", 10, 400), [Event(1, "loss", 0.7)])
    lose(tmp_path / CATALOGUE)

    recovery.recover()

    assert store.get(other.id).state is State.INTERRUPTED
    assert jobs.resume(other.id).state is State.QUEUED


def test_a_record_that_is_damaged_or_anothers_is_named_and_the_rest_comes_back(
    study: Plan, tmp_path: Path
) -> None:
    first, second, third, *_ = (run.id for run in store.runs())
    (store.folder(first) / RECORD).write_text("{", encoding="utf-8")
    (store.folder(second) / RECORD).unlink()
    record = (store.folder(third) / RECORD).read_bytes()
    (store.folder(first).parent / "0123456789ab").mkdir()
    (store.folder("0123456789ab") / RECORD).write_bytes(record)
    count = len(store.runs())
    lose(tmp_path / CATALOGUE)

    found = recovery.recover()

    assert len(found.runs) == count - 2
    lost = " ".join(found.lost)
    assert f"{first}: " in lost and "is damaged" in lost
    assert f"{second}: " in lost and "cannot be read" in lost
    assert f"is that of run {third}" in lost


def test_runs_of_an_earlier_version_get_their_record(study: Plan) -> None:
    for run in store.runs():
        (run.folder / RECORD).unlink()

    recovery.recover()

    assert all(kept_records.read(run.folder).state is State.DONE for run in store.runs())


def test_a_run_whose_folder_is_gone_is_not_done_and_is_made_again(study: Plan) -> None:
    run = store.get(study.steps[0].recipe.run_id)
    rmtree(run.folder)

    gone = store.get(run.id)
    assert (gone.state, gone.outcome.message) == (State.INTERRUPTED, store.GONE)
    assert run.id not in {each.id for each in store.runs(states=[State.DONE])}
    assert run.id in {each.id for each in store.runs(states=[State.INTERRUPTED])}

    jobs.submit([run.recipe])
    assert store.get(run.id).state is State.QUEUED
    assert store.get(run.id).outcome == Outcome()
