"""What the pad draws behind the finger: only quality of the same scores and kind of mask."""

from pathlib import Path

import pytest

from pages.parts.pad import surfaces
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies.sweeps import sweep
from tests import sample_sweep
from tests.pages.teacher.test_mask import probe_done, scores_run


def test_without_measurements_there_is_nothing(study: Plan) -> None:
    assert surfaces.of_scores(scores_run(study), MaskParams()) == []


def test_probes_give_the_masked_teacher_s_quality(study: Plan) -> None:
    probe_done(study, MaskParams(lam=0.25), exactly=False)

    quality, distance = surfaces.of_scores(scores_run(study), MaskParams())

    assert quality.title == "Accuracy of the masked teacher"
    assert distance.title == "Distance to the trial student"
    at = quality.points.query("λ == 0.25 and sparsity == 0.3")["value"]
    assert at.tolist() == pytest.approx([0.75])
    assert surfaces.of_scores(scores_run(study), MaskParams(round_to=16)) == []


def test_students_of_a_trade_off_study_come_first(home: Path) -> None:
    small = sample_sweep.asked(lams=(0.5,), sparsities=(0.0, 0.3), seeds=(0,), controls=())
    plan = sample_sweep.fill(sweep.plan(small))
    runs = {step.role: store.get(step.recipe.run_id) for step in plan.steps}

    students = surfaces.of_scores(runs["scores"], MaskParams())[0]

    assert students.title == "Accuracy of students (validation)"
    best = students.points.query("λ == 0.5 and sparsity == 0.3")["value"]
    assert best.tolist() == [runs["student"].outcome.metrics["validation"]["accuracy"]]
    assert surfaces.of_scores(runs["scores"], MaskParams(normalise="none")) == []
