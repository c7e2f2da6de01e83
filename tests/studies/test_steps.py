"""Steps of a study: what exists and what comes next."""

from pathlib import Path

import pytest

from sparsekd.runs import store
from sparsekd.runs.records import Progress, State
from sparsekd.studies import by_hand, steps
from sparsekd.studies.sweeps import sweep
from tests import sample_sweep
from tests.sample_study import fill_plan, launch_singly, sample_plan


def test_a_half_done_study_says_what_exists_and_what_comes_next(home: Path) -> None:
    plan = fill_plan(sample_plan(), until="scores")

    states = [progress.state for progress in steps.step_progress(plan)]

    assert states[:3] == [State.DONE, State.DONE, State.QUEUED]
    step = steps.next_step(plan)
    assert step is not None
    assert step.name == "scores"


def test_with_several_seeds_a_step_is_done_when_all_are(home: Path) -> None:
    plan = fill_plan(sample_plan((0, 1, 2)), until="student")

    names = [step.name for step in steps.steps_of(plan)]
    progress = dict(zip(names, steps.step_progress(plan), strict=True))

    trial, student = progress["trial_student"], progress["student"]
    assert (trial.done, trial.total, trial.state) == (1, 3, State.QUEUED)
    assert (student.done, student.total) == (0, 3)


def test_without_a_study_the_steps_follow_the_store(home: Path) -> None:
    store.create(sample_plan().steps[0].recipe)

    progress = steps.step_progress(None)

    assert progress[0].state is State.QUEUED
    assert progress[1].state is None


def test_of_a_teacher_launched_alone_only_the_first_step_is_done(home: Path) -> None:
    launch_singly(sample_plan(), until="plain_student")
    (plan,) = by_hand.all_plans()

    states = [progress.state for progress in steps.step_progress(plan)]

    assert states == [State.DONE, None, None, None, None, None]
    step = steps.next_step(plan)
    assert step is not None
    assert step.name == "trial_student"


def test_after_the_last_step_nothing_comes_next(home: Path) -> None:
    assert steps.next_step(fill_plan(sample_plan())) is None


def test_every_run_of_a_sweep_belongs_to_one_of_a_few_steps(home: Path) -> None:
    plan = sweep.plan(sample_sweep.asked())

    progress = steps.step_progress(plan)

    assert len(progress) < 8
    assert sum(one.total for one in progress) == len(plan.steps)


def test_a_running_run_counts_in_part(home: Path) -> None:
    plan = fill_plan(sample_plan(), until="plain_student")
    run = plan.steps[1].recipe.run_id
    with store.hold_lock(run):
        store.start(run, "cpu", 1)
        store.report(run, Progress("epoch 1 of 4", 1, 4))

        share = steps.share_done(plan, store.plan_runs(plan))

    assert share == pytest.approx((1 + 0.25) / len(plan.steps))


def test_states_count_what_was_never_started(home: Path) -> None:
    plan = fill_plan(sample_plan(), until="scores")
    runs = list(store.plan_runs(plan).values())

    assert steps.states_in_words(runs, len(plan.steps) + 2) == "5 queued, 2 not started"
