"""Cost of the finished runs of a sweep, and why the others are missing."""

from pathlib import Path

import pytest

from sparsekd.studies.sweeps import sweep, sweep_results
from tests.studies.sweeps.sweep_results.sample_plan import finished, spec


def test_costs_add_up_and_unfinished_runs_have_a_reason(home: Path):
    plan = sweep.plan(spec())
    failed = next(step.recipe.run_id for step in plan.steps if step.role == "scores")
    finished(plan, but=failed)
    spent, missing = sweep_results.costs(plan), sweep_results.unfinished(plan).set_index("run")
    assert len(spent) + len(missing) == len(plan.steps)
    assert spent["cumulative_seconds"].iloc[-1] == pytest.approx(2.0 * len(spent))
    assert spent["finished"].is_monotonic_increasing
    assert missing.loc[failed, "message"] == "The disk is full. Free it."
    waiting = missing[missing["state"] == "queued"]["message"]
    assert len(waiting) == 4  # two cells of this seed, each a teacher and a student
    assert set(waiting) == {f"It waits for: Scores, {failed}. The disk is full. Free it."}
