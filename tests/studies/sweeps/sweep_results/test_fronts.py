"""The Pareto front and measured latencies."""

from pathlib import Path

import pandas as pd

from sparsekd.catalog.stage_parameters import MeasureParams
from sparsekd.runs import measurements, store
from sparsekd.runs.records import Outcome, State
from sparsekd.studies import recipes
from sparsekd.studies.sweeps import sweep, sweep_results
from sparsekd.studies.sweeps.sweep_results import fronts
from tests.studies.sweeps.sweep_results.sample_plan import finished, spec


def test_dominated_points_are_not_on_the_front():
    points = pd.DataFrame({"parameters": [1, 2, 3, 3, 1], "quality": [0.5, 0.4, 0.9, 0.8, 0.5]})
    assert fronts.pareto_optimal(points) == [True, False, True, False, True]
    loss = points.assign(quality=-points["quality"])
    assert fronts.pareto_optimal(loss, lower_is_better=True) == [True, False, True, False, True]


def test_a_point_has_its_measured_latency(home: Path):
    plan = finished(sweep.plan(spec()))
    before = sweep_results.front([plan], "validation", "accuracy")
    assert before["latency_ms"].isna().all()
    teacher = plan.steps[0].recipe.run_id
    run = store.create(recipes.measure("demo/sentiment", teacher, MeasureParams(), "cpu"))
    usual = dict.fromkeys(measurements.COLUMNS, 1.0) | {"variant": "dense", "batch": 1}
    rows = [usual | {"tokens": tokens, "milliseconds": tokens / 8} for tokens in (128, 16)]
    run.folder.mkdir(parents=True)
    measurements.save(run.folder, pd.DataFrame(rows))
    store.finish(run.id, State.DONE, Outcome(), 1.0)
    found = sweep_results.front([plan], "validation", "accuracy").set_index("kind")
    assert found.loc["teacher", "latency_ms"] == 2.0
    assert found.loc["teacher", "setting"] == "cpu, batch 1, 16 tokens"
    assert found.loc["student", "latency_ms"].isna().all()
    assert {"teacher", "sparse teacher", "student"} == set(found.index)
