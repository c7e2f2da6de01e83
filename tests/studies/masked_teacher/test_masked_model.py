"""Runs and command lines about a model under a mask."""

import shlex
from pathlib import Path

import numpy as np
import pytest

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.cli.parser import parse
from sparsekd.runs import masks, store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies.masked_teacher import mask_commands, masked_model
from sparsekd.studies.masked_teacher.masked_model import MaskedModel
from sparsekd.units.masking import Mask
from tests.sample_study import fill_plan, sample_plan


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return fill_plan(sample_plan((1,)))


def run_of(plan: Plan, role: str) -> Run:
    return next(store.get(step.recipe.run_id) for step in plan.steps if step.role == role)


def mask(first: bool = True) -> Mask:
    heads = np.ones((2, 3), dtype=bool)
    heads[0, 0] = first
    return Mask(heads, np.ones((2, 8), dtype=bool))


def test_of_a_scoring_run_the_teacher_is_the_model(study: Plan) -> None:
    scores, student = run_of(study, "scores"), run_of(study, "student")

    assert masked_model.of_run(scores, mask()).model == scores.recipe.inputs["teacher"]
    assert masked_model.of_run(student).model == student.id
    assert masked_model.of_run(student).mask_reference == ""


def test_the_same_units_are_the_same_model_whoever_made_the_mask() -> None:
    provenanced = Mask(mask().heads, mask().neurons, {"lam": 0.1})
    one = MaskedModel("demo/sentiment", "abc", mask())

    assert one.same_as(MaskedModel("demo/sentiment", "abc", provenanced))
    assert not one.same_as(MaskedModel("demo/sentiment", "abc", mask(first=False)))
    assert not one.same_as(MaskedModel("demo/sentiment", "def", mask()))
    assert not one.same_as(MaskedModel("demo/sentiment", "abc"))


def test_pruning_is_the_study_s_own_run(study: Plan) -> None:
    sparse, scores = run_of(study, "sparse_teacher"), run_of(study, "scores")

    assert masked_model.prune_recipe(scores, MaskParams()).run_id == sparse.id
    assert masked_model.prune_recipe(scores, MaskParams(lam=0.1)).run_id != sparse.id


def test_an_export_names_model_mask_and_format() -> None:
    recipe = masked_model.export_recipe(MaskedModel("demo/sentiment", "abc", mask()), "onnx")

    assert recipe.inputs == {"model": "abc", "mask": masks.reference(mask())}
    assert recipe.params["export"]["format"] == "onnx"


def test_measurements_are_found_by_their_number(study: Plan) -> None:
    model = MaskedModel("demo/sentiment", run_of(study, "teacher").id)
    recipes = [masked_model.measure_recipe(model, "cpu", repeat) for repeat in (0, 1, 3)]
    for recipe in recipes:
        store.create(recipe)
        store.finish(recipe.run_id, State.DONE, Outcome(), 1.0)

    found = masked_model.measurements(model, "cpu")

    assert [run.id for run in found] == [recipe.run_id for recipe in recipes[:2]]
    assert masked_model.measurements(model, "cuda:0") == []


# --- commands --------------------------------------------------------------------------------


def parsed(line: str):
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "sparsekd"]
    return parse(words[3:])[1]


def test_the_mask_command_repeats_the_mask(study: Plan) -> None:
    scores = run_of(study, "scores")
    params = MaskParams(lam=0.25, sparsity=0.4, neuron_sparsity=0.5, round_to=16, normalise="none")

    request = parsed(mask_commands.mask_command(scores, params))

    assert MaskParams.of(request.params) == params
    assert request.scores == scores.id


def test_the_prune_and_export_commands_name_the_teacher_by_its_id(study: Plan) -> None:
    scores = run_of(study, "scores")
    teacher = scores.recipe.inputs["teacher"]

    prune = parsed(mask_commands.prune_command(scores))
    export = parsed(mask_commands.export_command(masked_model.of_run(scores, mask())))

    assert (prune.teacher, export.model) == (teacher, teacher)
    assert prune.mask == export.mask == "mask.npz"


def test_a_mask_that_a_run_pruned_by_is_named_by_that_run(study: Plan) -> None:
    scores, sparse = run_of(study, "scores"), run_of(study, "sparse_teacher")

    done, absent = (
        mask_commands.mask_name(masked_model.prune_recipe(scores, params))
        for params in (MaskParams(), MaskParams(lam=0.1))
    )

    assert (done, absent) == (sparse.id, "mask.npz")
    assert parsed(mask_commands.prune_command(scores, done)).mask == sparse.id


@pytest.mark.parametrize(
    ("reference", "typed"),
    [
        ("hub:org/bert", "org/bert"),
        ("folder:/a b/model#1234abcd", "/a b/model"),
        ("demo:", "demo:"),
    ],
)
def test_models_from_outside_are_named_as_they_are_typed(reference: str, typed: str) -> None:
    request = parsed(mask_commands.export_command(MaskedModel("demo/sentiment", reference)))

    assert (request.model, request.mask) == (typed, None)
