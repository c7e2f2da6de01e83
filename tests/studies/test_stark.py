"""StarK as an order of work: who starts from whom, and what seeds change."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, StudentParams
from sparsekd.cli.parser import parse
from sparsekd.errors import BadInput
from sparsekd.runs import references, store
from sparsekd.runs.records import Plan
from sparsekd.studies import command, recipes, stark


def study(**changes: object) -> stark.StudySpec:
    given = {"task": "demo/sentiment", "checkpoint": "demo:"} | changes
    return stark.StudySpec(**given)  # type: ignore[arg-type]


def by_role(plan: Plan, seed: int = 0) -> dict:
    return {
        step.role: step.recipe
        for step in plan.steps
        if step.role == "teacher" or step.seed == seed or step.role in ("scores", "sparse_teacher")
    }


def test_every_run_finds_its_inputs_before_it():
    plan = stark.plan(study(seeds=(0, 1, 2)))
    seen: set[str] = set()
    for step in plan.steps:
        assert set(step.recipe.needs) <= seen
        seen.add(step.recipe.run_id)


def test_the_student_of_the_sparse_teacher_starts_from_the_dense_one():
    found = by_role(stark.plan(study()))
    teacher, sparse = found["teacher"].run_id, found["sparse_teacher"].run_id
    assert found["student"].inputs == {"teacher": sparse, "init": teacher}
    assert found["trial_student"].inputs == {"teacher": teacher, "init": teacher}


def test_all_students_have_the_same_first_weights_budget_and_seed():
    found = by_role(stark.plan(study(student=StudentParams(layers=3))))
    students = [found[role] for role in found if role.endswith("student")]
    assert len(students) == 4
    for part in ("train", "student"):
        assert len({str(recipe.params[part]) for recipe in students}) == 1
    assert {recipe.inputs["init"] for recipe in students} == {found["teacher"].run_id}
    assert {recipe.seed for recipe in students} == {0}


def test_the_random_control_removes_as_much_without_seeing_scores():
    found = by_role(stark.plan(study(mask=MaskParams(lam=0.2, sparsity=0.4))))
    sparse, chance = found["sparse_teacher"], found["random_mask_teacher"]
    assert chance.params["mask"] == sparse.params["mask"] | {"kind": "random"}
    assert "scores" in sparse.inputs
    assert "scores" not in chance.inputs


def test_another_sparsity_shares_teacher_trial_student_and_scores():
    one = by_role(stark.plan(study(mask=MaskParams(sparsity=0.2))))
    other = by_role(stark.plan(study(mask=MaskParams(sparsity=0.6))))
    shared = {role for role in one if one[role].run_id == other[role].run_id}
    assert shared == {"teacher", "plain_student", "trial_student", "scores"}


def test_more_seeds_share_the_teacher_alone():
    plan = stark.plan(study(seeds=(0, 1)))
    ids = [step.recipe.run_id for step in plan.steps]
    assert len(ids) == len(set(ids)) == 1 + 2 * 7
    assert stark.plan(study(seeds=(0,))).steps == plan.steps[:8]


def test_a_finished_teacher_takes_the_place_of_a_new_one():
    teacher = stark.plan(study()).steps[0].recipe
    plan = stark.plan(study(finetuned=teacher, checkpoint=""))
    assert plan.steps[0].recipe == teacher


@pytest.mark.parametrize("mask", [{"sparsity": 1}, {"sparsity": 0.5, "neuron_sparsity": 1}])
def test_a_sparsity_that_leaves_nothing_is_refused_before_any_run(mask: dict[str, float]):
    with pytest.raises(BadInput, match="empties every layer"):
        stark.plan(study(mask=MaskParams.of(mask)))


def test_a_study_without_seeds_is_refused():
    with pytest.raises(BadInput, match="at least one seed"):
        stark.plan(study(seeds=()))


def test_the_demo_has_its_own_settings_a_checkpoint_the_published_ones():
    assert recipes.defaults("demo:") == recipes.defaults("demo:distilbert")
    demo = stark.demo()
    published, _, _ = recipes.defaults("folder:/x#1")
    assert (published.learning_rate, published.batch_size, published.epochs) == (3e-5, 16, 10)
    assert demo.teacher.learning_rate > published.learning_rate


@pytest.mark.parametrize("seeds", [(0, 1), (3,), (0, 4)])
def test_the_command_line_of_a_study_repeats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: tuple[int, ...]
):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    asked = stark.demo(seeds=seeds)
    asked = replace(
        asked,
        mask=MaskParams(lam=0.25, sparsity=0.4, round_to=1),
        train=asked.train.changed({"epochs": 3}),
        score=asked.score.changed({"friendliness": "kl"}),
    )
    plan = stark.plan(asked)
    words = shlex.split(command.command(plan))[3:]
    _, request = parse(words)
    assert stark.plan(request.study(references.task(request.task))) == plan


def test_the_command_line_of_a_study_names_a_teacher_as_it_is_by_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    order = ("positive", "negative")
    teacher = recipes.finetune("demo/sentiment", "folder:/x#1", TrainParams(epochs=0), 0, order)
    store.create(teacher)
    plan = stark.plan(replace(stark.demo(), checkpoint=teacher.run_id, finetuned=teacher))
    words = shlex.split(command.command(plan))[3:]
    assert words[words.index("--teacher") + 1] == teacher.run_id
    _, request = parse(words)
    assert stark.plan(request.study(references.task(request.task))) == plan


def test_a_teacher_keeps_all_labels_and_has_the_noise_of_its_students():
    given = {"labelled": 200, "label_noise": 0.1, "epochs": 3}
    found = recipes.teacher_training(TrainParams(), given, {})
    assert (found.labelled, found.label_noise, found.epochs) == (0, 0.1, 3)
    assert recipes.teacher_training(TrainParams(), given, {"labelled": 50}).labelled == 50
