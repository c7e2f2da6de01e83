"""The queue: who may start, on which device, and what keeps a run from starting."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sparsekd.cli.progress import wait_for
from sparsekd.errors import BadInput, NotFound, Unavailable
from sparsekd.runs import jobs, stacking, store
from sparsekd.runs.database import database
from sparsekd.runs.records import Outcome, Recipe, Run, State, Step
from sparsekd.scheduler import executors, run_queue
from sparsekd.scheduler.assignment import Assignment, assign
from sparsekd.scheduler.executors import Place
from sparsekd.scheduler.executors.local import LocalProcesses
from sparsekd.scheduler.run_queue import Queue
from sparsekd.system import locks


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A store whose queue is never woken: these tests look at what it would do."""
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    woken: list[str] = []
    monkeypatch.setattr(jobs, "start_queue", lambda: woken.append("woken"))
    return woken


def recipe(seed: int, *needs: str) -> Recipe:
    inputs = {f"input{place}": needed for place, needed in enumerate(needs)}
    return Recipe("distil", "demo/sentiment", "pkd", inputs, {}, seed)


def places(**slots: int) -> list[Place]:
    """cuda_0=1 is one slot on cuda:0."""
    return [Place(name.replace("_", ":"), count) for name, count in slots.items()]


def names(chosen: list[Assignment]) -> list[tuple[str, str]]:
    return [(start.runs[0].id, start.place) for start in chosen]


def test_runs_start_in_the_order_asked_for_one_per_device():
    runs = [store.create(recipe(seed), "auto") for seed in range(3)]
    chosen = assign(store.queued(), places(cuda_0=1, cuda_1=1, cpu=1), {"cpu": 1})
    assert names(chosen) == [(runs[0].id, "cuda:0"), (runs[1].id, "cuda:1")]


def test_a_run_waits_for_the_device_it_asks_for_and_lets_others_pass():
    picky, easy = store.create(recipe(0), "cuda:0"), store.create(recipe(1), "auto")
    chosen = assign(store.queued(), places(cuda_0=1, cuda_1=1), {"cuda:0": 1})
    assert names(chosen) == [(easy.id, "cuda:1")]
    assert names(assign([picky], places(cuda_0=1), {})) == [(picky.id, "cuda:0")]


def test_nobody_lands_on_the_processor_unasked_where_there_is_a_gpu():
    easy, modest = store.create(recipe(0), "auto"), store.create(recipe(1), "cpu")
    chosen = assign(store.queued(), places(cuda_0=1, cpu=1), {"cuda:0": 1})
    assert names(chosen) == [(modest.id, "cpu")]
    assert names(assign([easy], places(cpu=1), {})) == [(easy.id, "cpu")]


def test_a_run_waits_for_its_inputs():
    teacher = store.create(recipe(0))
    student = store.create(recipe(1, teacher.id, "folder:/somewhere#12"))
    assert names(assign([student], places(cpu=1), {})) == []
    store.finish(teacher.id, State.DONE, Outcome(), 1.0)
    assert names(assign([student], places(cpu=1), {})) == [(student.id, "cpu")]


def test_a_run_whose_input_does_not_exist_never_starts():
    orphan = store.create(recipe(0, "000000000000"))
    assert assign([orphan], places(cpu=1), {}) == []


def test_several_runs_share_a_processor_core_by_core():
    runs = [store.create(recipe(seed)) for seed in range(3)]
    chosen = assign(store.queued(), places(cpu=2), {})
    assert [(start.runs[0].id, start.slots) for start in chosen] == [
        (run.id, 1) for run in runs[:2]
    ]


def test_a_lone_run_gets_every_free_core_but_only_its_own_slot_of_a_gpu():
    store.create(recipe(0))
    assert [start.slots for start in assign(store.queued(), places(cpu=8), {"cpu": 3})] == [5]
    assert [start.slots for start in assign(store.queued(), places(cuda_0=4), {})] == [1]


def test_a_run_that_has_failed_is_tried_again_with_the_device_to_itself():
    again, _ = store.create(recipe(0)), store.create(recipe(1))
    store.finish(again.id, State.FAILED, Outcome(), 1.0)
    store.retry(again.id)
    queued, two = store.queued(), places(cuda_0=2)
    assert assign(queued, two, {"cuda:0": 1}) == []  # the other waits too, or it never ends
    alone = assign(queued, two, {})
    assert names(alone) == [(again.id, "cuda:0")]
    assert alone[0].slots == 2


def student(seed: int, **params: object) -> Recipe:
    values = {"train": {"epochs": 1}, "student": {"choice": "bottom"}, "method": params}
    return Recipe("distil", "demo/sentiment", "vanilla", {"init": "a" * 12}, values, seed)


@pytest.fixture
def stacked(tmp_path) -> None:
    """A dense teacher of 128 columns, and a bench that found stacks of three the fastest."""
    teacher = store.folder("a" * 12)
    teacher.mkdir(parents=True)
    (teacher / "shape.json").write_text('{"hidden": 128}')
    store.create_all([Recipe("finetune", "demo/sentiment")])
    with database(tmp_path) as catalogue:
        catalogue.execute("UPDATE runs SET id = ?, state = 'done'", ("a" * 12,))
    stacking.save_setting("cuda:0", stacking.StackSetting(1, 3, {}, 128))


@pytest.mark.usefixtures("stacked")
def test_students_that_are_alike_begin_together_where_that_was_found_faster():
    alike = [store.create(student(seed, alpha=seed / 10)) for seed in range(4)]
    other = store.create(recipe(9))
    started = assign(store.queued(), places(cuda_0=2), {})
    assert [[run.id for run in start.runs] for start in started] == [
        [run.id for run in alike[:3]],
        [alike[3].id],
    ]
    alone = assign(store.queued(), places(cpu=2), {})
    assert [[run.id for run in start.runs] for start in alone] == [[r.id] for r in alike[:2]]
    assert other.id not in {run.id for start in started for run in start.runs}


@pytest.mark.usefixtures("stacked")
def test_a_student_that_has_failed_is_tried_again_alone():
    first, *_ = [store.create(student(seed)) for seed in range(3)]
    store.finish(first.id, State.FAILED, Outcome(), 1.0)
    store.retry(first.id)
    (start,) = assign(store.queued(), places(cuda_0=1), {})
    assert [run.id for run in start.runs] == [first.id]


class Deaths:
    """An executor whose workers all end in the same manner."""

    def __init__(self, ends: Callable[[str], None]) -> None:
        self.ends, self.started = ends, []

    def places(self) -> list[Place]:
        return [Place("cpu", 1)]

    def start(self, runs: Sequence[Run], place: str, slots: int, memory: int = 0) -> None:
        self.started += [run.id for run in runs]
        self.gone = [run.id for run in runs]

    def ended(self) -> dict[str, str]:
        gone, self.gone = getattr(self, "gone", []), []
        for run_id in gone:
            self.ends(run_id)
        return dict.fromkeys(gone, "")

    def cancel(self, run_id: str) -> None:
        raise AssertionError("no run is cancelled")

    def close(self) -> None:
        raise AssertionError("the queue's caller closes it")


def fails(**how: object) -> Callable[[str], None]:
    return lambda run: store.finish(run, State.FAILED, Outcome(message="no", **how), 1.0)


def test_a_failure_that_may_pass_is_tried_once_more_and_then_named():
    (run,) = jobs.submit([recipe(0)], retries=1)
    executor = Deaths(fails())
    Queue(executor).serve()
    assert executor.started == [run.id, run.id]
    left = store.get(run.id)
    assert (left.state, left.retries, left.failures) == (State.FAILED, 0, 1)


def test_a_failure_that_would_come_again_is_not_tried_again():
    (run,) = jobs.submit([recipe(0)], retries=1)
    executor = Deaths(fails(lasting=True))
    Queue(executor).serve()
    assert executor.started == [run.id]


def test_without_retries_a_failure_stays():
    (run,) = jobs.submit([recipe(0)])
    executor = Deaths(fails())
    Queue(executor).serve()
    assert executor.started == [run.id]


def test_a_worker_that_dies_before_it_begins_is_told():
    (run,) = jobs.submit([recipe(0)])
    Queue(Deaths(lambda run_id: None)).serve()
    assert "before it could begin" in store.get(run.id).outcome.message


def test_a_killed_run_that_is_resumed_before_its_end_is_seen_begins_again():
    (run,) = jobs.submit([recipe(0)])

    def work(run_id: str) -> None:
        if store.get(run_id).started:
            store.finish(run_id, State.DONE, Outcome(), 1.0)
            return
        store.start(run_id, "cpu", pid=1)  # and killed: its lock is free
        jobs.resume(run_id)

    executor = Deaths(work)
    Queue(executor).serve()
    assert executor.started == [run.id, run.id]
    assert store.get(run.id).state is State.DONE


def test_cancelling_all_leaves_nothing_to_begin():
    runs = jobs.submit([recipe(seed) for seed in range(3)])
    jobs.cancel_all(runs)
    assert store.queued() == []
    assert {store.get(run.id).state for run in runs} == {State.CANCELLED}
    jobs.submit([run.recipe for run in runs])
    assert [run.id for run in store.queued()] == [run.id for run in runs]


@pytest.mark.parametrize("text", ["cpu", "cpu=0", "cpu=two", "cpu:2"])
def test_slots_that_are_no_numbers_are_refused(monkeypatch, text):
    monkeypatch.setenv("SPARSEKD_SLOTS", text)
    with pytest.raises(BadInput, match="SPARSEKD_SLOTS"):
        LocalProcesses().places()


def test_slots_can_be_said(monkeypatch, tmp_path):
    (tmp_path / "devices.json").write_text('[{"name": "cpu", "words": "a processor", "memory": 0}]')
    monkeypatch.setenv("SPARSEKD_SLOTS", "cpu=5")
    assert LocalProcesses().places() == [Place("cpu", 5)]


def test_an_unknown_executor_names_the_known_ones(monkeypatch):
    monkeypatch.setenv("SPARSEKD_EXECUTOR", "rays")
    with pytest.raises(NotFound, match="ray"):
        executors.selected()


def test_the_stopped_run_behind_a_waiting_one_is_named_however_deep():
    teacher = store.create(recipe(0))
    trial = store.create(recipe(1, teacher.id))
    student = store.create(recipe(2, trial.id))
    assert jobs.blocking_run(student) is None
    store.finish(teacher.id, State.FAILED, Outcome(message="no"), 1.0)
    blocked = jobs.blocking_run(student)
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
    jobs.start_queue_if_idle()
    assert home == []
    store.create(recipe(0))
    jobs.start_queue_if_idle()
    assert home == ["woken"]


def test_a_clock_set_back_loses_nothing(monkeypatch):
    now = [2_000_000_000.0]
    monkeypatch.setattr(store.time, "time", lambda: now[0])
    teacher = jobs.submit([recipe(0)])[0]
    now[0] -= 86_400.0
    student, other = jobs.submit([recipe(1, teacher.id), recipe(2)])
    executor = Deaths(lambda run: store.finish(run, State.DONE, Outcome(), 3.0))
    Queue(executor).serve()
    assert set(executor.started) == {teacher.id, student.id, other.id}
    assert executor.started.index(teacher.id) < executor.started.index(student.id)
    assert {run.seconds for run in store.runs(states=[State.DONE])} == {3.0}


def test_a_waiting_run_says_why_nothing_can_start(monkeypatch):
    monkeypatch.setenv("SPARSEKD_EXECUTOR", "rays")
    (run,) = jobs.submit([recipe(0)])
    assert run_queue.main() == 2
    trouble = jobs.queue_error()
    assert trouble is not None
    assert "no executor 'rays'" in trouble.message
    with pytest.raises(Unavailable, match="rays"):
        wait_for([Step("student", run.recipe)])
    jobs.submit([recipe(0)])
    assert jobs.queue_error() is None


def test_a_second_queue_process_troubles_nobody():
    with locks.hold_lock(jobs.queue_lock(), "taken"):
        assert run_queue.main() == 2
    assert jobs.queue_error() is None
