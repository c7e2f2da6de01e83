"""Scoring runs and the students they can be asked about, in a study written by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import score_runs, store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies import recipes
from tests.sample_study import EXAMPLES, fill_plan, sample_plan


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return fill_plan(sample_plan())


def run_of(plan: Plan, role: str = "scores") -> Run:
    return next(store.get(step.recipe.run_id) for step in plan.steps if step.role == role)


def scored(like: Run, params: ScoreParams, facts: dict[str, int], student: str = "") -> Run:
    """Another finished scoring run of the same teacher."""
    inputs = like.recipe.inputs
    recipe = recipes.score(
        like.recipe.task, inputs["teacher"], student or inputs["student"], params, 64
    )
    store.create(recipe)
    store.finish(recipe.run_id, State.DONE, Outcome(facts=facts), 1.0)
    return store.get(recipe.run_id)


def test_the_latest_scores_are_the_study_s_before_newer_ones_of_others(study: Plan) -> None:
    own = run_of(study).id

    assert score_runs.latest(["newer", own], study) == own
    assert score_runs.latest(["newer", own], None) == "newer"
    assert score_runs.latest(["newer", "older"], study) == "newer"


def test_a_run_is_named_by_its_task_its_measurement_and_its_student(study: Plan) -> None:
    run = run_of(study)
    per_example = scored(run, ScoreParams(aggregate="per_example"), {})

    assert score_runs.label(run) == (
        f"{run.id} · demo/sentiment · selection, per batch of 32 · for student "
        f"{run.recipe.inputs['student']}"
    )
    assert "selection, per example · " in score_runs.label(per_example)


def test_scores_of_the_same_shape_are_found_the_run_itself_first(study: Plan) -> None:
    sizes = {"layers": 4, "heads": 4, "neurons": 64}
    like = run_of(study)
    first = scored(like, ScoreParams(batch_size=8), sizes)
    other = scored(like, ScoreParams(batch_size=16), sizes)
    scored(like, ScoreParams(batch_size=4), sizes | {"neurons": 32})

    assert list(score_runs.same_shape(first)) == [first.id, other.id]
    assert list(score_runs.same_shape(other)) == [other.id, first.id]


def test_only_students_of_whole_teachers_are_offered(study: Plan) -> None:
    found = {run.id for run in score_runs.students()}

    assert run_of(study, "trial_student").id in found
    assert run_of(study, "student").id not in found


def test_trial_students_have_logits_on_the_split_and_the_run_s_own_is_first(study: Plan) -> None:
    run, trial = run_of(study), run_of(study, "trial_student")
    for seed, logits in ((7, True), (8, False)):
        recipe = replace(trial.recipe, seed=seed)
        store.create(recipe)
        store.folder(recipe.run_id).mkdir(parents=True, exist_ok=True)
        if logits:
            score_runs.logits_file(recipe.run_id, "selection").write_bytes(b"")
        store.finish(recipe.run_id, State.DONE, Outcome(), 1.0)

    found = score_runs.trial_students(run)

    assert found[0].id == trial.id
    assert 7 in {other.recipe.seed for other in found}
    assert 8 not in {other.recipe.seed for other in found}


def test_logits_are_read_and_trouble_with_them_is_named(study: Plan) -> None:
    path = score_runs.logits_file(run_of(study, "trial_student").id, "selection")

    assert score_runs.load_logits(path).shape == (EXAMPLES, 2)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(BadInput, match="damaged"):
        score_runs.load_logits(path)
    path.unlink()
    with pytest.raises(NotFound, match=r"logits-selection\.npy"):
        score_runs.load_logits(path)


def test_a_kept_jacobian_is_found(study: Plan) -> None:
    run = run_of(study)

    assert score_runs.keeps_jacobian(run)
    (score_runs.jacobian_folder(run) / "meta.json").unlink()
    assert not score_runs.keeps_jacobian(run)
    np.testing.assert_array_equal(score_runs.same_teacher([run], run), [run.id])
