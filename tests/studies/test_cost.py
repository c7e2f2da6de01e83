"""What is left of a plan, and what it costs, from finished runs of the same kind."""

from dataclasses import replace

import pytest

from sparsekd.runs import jobs, store
from sparsekd.runs.records import Outcome, State
from sparsekd.studies import cost
from sparsekd.studies.sweeps import sweep
from tests.studies.sweeps.test_sweep import SMALL


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    monkeypatch.setattr(jobs, "start_queue", lambda: None)


def finish(step, seconds, size):
    run = store.create(step.recipe)
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "file").write_bytes(b"x" * size)
    store.finish(run.id, State.DONE, Outcome(), seconds)


def test_before_anything_has_run_nothing_is_known():
    plan = sweep.plan(SMALL)
    found = cost.estimate(plan)
    assert (found.missing, found.done, found.unknown) == (len(plan.steps), 0, len(plan.steps))
    assert "not known yet" in cost.in_words(found, 2)


def test_runs_are_counted_by_what_their_like_took():
    plan = sweep.plan(replace(SMALL, controls=()))
    steps = {step.role: step for step in plan.steps}
    finish(steps["teacher"], 40.0, 100_000)
    finish(steps["trial_student"], 6.0, 1_000_000)
    finish(steps["scores"], 1.0, 100_000)
    finish(steps["sparse_teacher"], 0.5, 2_000_000)
    found = cost.estimate(plan)
    # Two seeds, four cells each: one trial student, one scoring, and less one sparse teacher.
    assert found.seconds == pytest.approx(6.0 + 1.0 + 7 * 0.5 + 8 * 6.0)
    files = 1_000_000 + 100_000 + 7 * 2_000_000 + 8 * 1_000_000
    assert found.bytes == pytest.approx(files, rel=0.01)  # a little more: each run's record
    assert (found.missing, found.done, found.unknown) == (17, 4, 0)
    assert "about 29 s, 2 side by side" in cost.in_words(found, 2)


def test_a_student_trained_otherwise_says_nothing():
    plan = sweep.plan(SMALL)
    other = sweep.plan(replace(SMALL, train=SMALL.train.changed({"epochs": 1})))
    finish(next(s for s in other.steps if s.role == "trial_student"), 2.0, 1)
    assert cost.estimate(plan).unknown == len(plan.steps)


def test_a_finished_plan_costs_nothing():
    plan = sweep.plan(replace(SMALL, seeds=(0,), lams=(0.5,), sparsities=(0.3,), controls=()))
    for step in plan.steps:
        finish(step, 1.0, 1)
    found = cost.estimate(plan)
    assert (found.missing, found.seconds) == (0, 0)
    assert "already" in cost.in_words(found, 2)


def test_times_come_from_the_device_that_was_chosen():
    plan = sweep.plan(SMALL)
    run = store.create(next(s for s in plan.steps if s.role == "trial_student").recipe)
    store.start(run.id, "cuda:0", 1)
    store.finish(run.id, State.DONE, Outcome(), 5.0)
    there = cost.estimate(plan, "cuda:0")
    assert there.seconds == cost.estimate(plan).seconds > 0
    assert "Going by finished runs of the same kind on cuda:0." in cost.in_words(there, 1)
    elsewhere = cost.estimate(plan, "auto")  # this machine has its processor alone
    assert elsewhere.seconds == 0
    assert "nothing like them has run on cpu" in cost.in_words(elsewhere, 1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (float("nan"), "–"), (3.21, "3.2 s"), (61, "61 s"), (125, "2 min 5 s"),
     (7260, "2 h 1 min")],
)  # fmt: skip
def test_durations_read_well(seconds, words):
    assert cost.duration(seconds) == words
