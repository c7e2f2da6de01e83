"""Whether runs are active, and why a queued one waits."""

from pathlib import Path

from sparsekd.runs import activity, jobs, store
from sparsekd.runs.records import Outcome, State
from sparsekd.studies.sweeps import sweep
from tests import sample_sweep
from tests.sample_study import fill_plan, sample_plan

SMALL = {"lams": (0.0, 1.0), "sparsities": (0.0, 0.3), "seeds": (0, 1)}


def test_a_study_is_active_until_the_run_that_all_others_need_has_stopped(home: Path) -> None:
    plan = sweep.plan(sample_sweep.asked(**SMALL))
    jobs.submit_plan(plan)
    runs = [step.recipe.run_id for step in plan.steps]
    assert activity.any_active(store.get_many(runs).values())

    store.finish(runs[0], State.FAILED, Outcome(), 1.0)

    assert not activity.any_active(store.get_many(runs).values())
    assert not activity.is_active(store.get(runs[1]))


def test_a_queued_run_names_its_place_or_the_run_that_stopped(home: Path) -> None:
    plan = fill_plan(sample_plan(), until="scores")
    scores, mask = (step.recipe.run_id for step in plan.steps[3:5])
    assert activity.waiting_reason(store.get(scores)) == "Number 1 of 5 in the queue."

    store.request_cancel(scores)

    assert f"run {scores}, which is cancelled" in activity.waiting_reason(store.get(mask))
