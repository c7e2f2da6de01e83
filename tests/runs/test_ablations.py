"""Ablations and attributions of a scored teacher, in a study written by hand."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparsekd.catalog.stage_parameters import AblateParams, AttributeParams
from sparsekd.errors import NotFound
from sparsekd.runs import ablations, attributions, store
from sparsekd.runs.records import Outcome, Plan, Recipe, Run, State
from sparsekd.studies import recipes
from sparsekd.units import masking
from sparsekd.units.scores import Scores
from tests.sample_study import HEADS, LAYERS, NEURONS, fill_plan, sample_plan, sample_scores


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return fill_plan(sample_plan())


def run_of(plan: Plan, role: str) -> Run:
    return next(store.get(step.recipe.run_id) for step in plan.steps if step.role == role)


def done(recipe: Recipe, **facts: object) -> Run:
    store.create(recipe)
    store.folder(recipe.run_id).mkdir(parents=True, exist_ok=True)
    store.finish(recipe.run_id, State.DONE, Outcome(facts=facts), 1.0)
    return store.get(recipe.run_id)


def ablated(plan: Plan, student: str = "", examples: int = 160) -> Run:
    teacher = run_of(plan, "teacher").id
    params = AblateParams(examples=examples)
    return done(recipes.ablate(plan.task, teacher, params, 64, student), examples=examples)


def test_finished_ablations_are_those_of_the_teacher(study: Plan) -> None:
    run, teacher = ablated(study), run_of(study, "teacher").id
    waiting = store.create(recipes.ablate(study.task, teacher, AblateParams(examples=64), 64))

    assert list(ablations.finished(teacher)) == [run.id]
    assert {other.id for other in ablations.of_teacher(teacher)} == {run.id, waiting.id}
    assert ablations.finished(run_of(study, "trial_student").id) == {}


def test_an_ablation_is_named_by_its_data_and_its_student(study: Plan) -> None:
    alone, beside = ablated(study), ablated(study, "abcdefabcdef")

    assert ablations.label(alone) == f"{alone.id} · selection, 160 examples"
    assert ablations.label(beside) == (
        f"{beside.id} · selection, 160 examples · against student abcdefabcdef"
    )


def test_students_and_scores_of_the_teacher_are_offered(study: Plan) -> None:
    teacher = run_of(study, "teacher")

    assert run_of(study, "trial_student").id in ablations.students(teacher)
    assert run_of(study, "student").id not in ablations.students(teacher)
    assert list(ablations.scores(teacher)) == [run_of(study, "scores").id]


def test_magnitudes_and_other_files_are_ranked_beside_the_scores(
    study: Plan, tmp_path: Path
) -> None:
    run, scores = ablated(study), sample_scores()
    drawn = np.random.default_rng(0)
    heads, neurons = drawn.random((LAYERS, HEADS)), drawn.random((LAYERS, NEURONS))
    without = ablations.all_rankings(scores, run, 0.5, "layer", {})
    Scores(heads, heads, neurons, neurons).save(run.folder / "magnitude.npz")
    Scores(heads, heads, neurons, neurons).save(tmp_path / "c.npz")

    found = ablations.all_rankings(scores, run, 0.2, "none", {"conductance": tmp_path / "c.npz"})

    assert "magnitude" not in without
    assert set(found) == {"E", "F", "K(0.5)", "K(0.2)", "magnitude", "random", "conductance"}
    raw = masking.knowledgeableness(scores, 0.2, "none")
    np.testing.assert_array_equal(found["K(0.2)"][0], raw[0])
    np.testing.assert_allclose(found["magnitude"][1], neurons, rtol=1e-6)


def test_a_comparison_is_computed_again_when_a_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    path.write_bytes(b"")
    before = ablations.fingerprints({"c": path})
    os.utime(path, (1, 1))

    assert ablations.fingerprints({"c": path}) != before
    path.unlink()
    with pytest.raises(NotFound, match=r"c\.npz"):
        ablations.fingerprints({"c": path})


# --- attributions ----------------------------------------------------------------------------


def test_the_newest_attribution_of_each_kind_is_a_score_file(study: Plan) -> None:
    scores, teacher = run_of(study, "scores"), run_of(study, "teacher").id
    found = [
        done(recipes.attribute(study.task, teacher, AttributeParams(**given), 64))
        for given in ({"steps": 8}, {"steps": 16}, {"kind": "gradient_activation"})
    ]
    store.create(recipes.attribute(study.task, teacher, AttributeParams(steps=32), 64))
    store.create(recipes.attribute(study.task, "demo:", AttributeParams(), 64))

    assert len(attributions.of_scored_teacher(scores)) == 4
    assert attributions.files(scores) == {
        "Gradient × activation": found[2].folder / "scores.npz",
        "Conductance": found[1].folder / "scores.npz",
    }


def test_students_begin_with_the_trial_student_and_end_with_those_of_the_dense_teacher(
    study: Plan,
) -> None:
    trial = run_of(study, "trial_student")
    other = done(replace(trial.recipe, seed=9))
    elsewhere = done(replace(trial.recipe, inputs={"teacher": "demo:", "init": "demo:"}))

    found = [run.id for run in attributions.students(run_of(study, "scores"))]

    assert found[0] == trial.id
    assert found[-1] == other.id
    assert run_of(study, "student").id in found[1:-1]
    assert elsewhere.id not in found
