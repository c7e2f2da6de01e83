"""Comparisons as orders of work: which names there are, who learns from whom, what is refused."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparsekd.catalog.baselines import BASELINES
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.cli.parser import parse
from sparsekd.errors import BadInput, Incompatible, NotFound, SparseKDError
from sparsekd.runs import references
from sparsekd.runs.records import Plan, Recipe
from sparsekd.studies import command, recipes, roles, stark
from sparsekd.studies.comparisons import comparison, comparison_spec, variants
from sparsekd.studies.comparisons.comparison_spec import ComparisonSpec
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

TASK = "demo/sentiment"
EVERYTHING = ("all",)


def teachers(count: int = 2) -> tuple[Recipe, ...]:
    """Both demo teachers, or the first."""
    names = list(DEMO_CHECKPOINTS)[:count]
    return tuple(recipes.finetune(TASK, name, recipes.defaults(name)[0]) for name in names)


def asked(*methods: str, count: int = 2, layers: int = 2, **changes: Any) -> ComparisonSpec:
    """A comparison of demo students."""
    train, student = comparison_spec.defaults("demo:")
    student = student.changed({"layers": layers})
    return replace(ComparisonSpec(TASK, methods, teachers(count), train, student), **changes)


def by_role(plan: Plan, seed: int = 0) -> dict[str, Recipe]:
    return {s.role: s.recipe for s in plan.steps if s.seed == seed or s.recipe.stage == "score"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def everything() -> Plan:
    """All that fits two demo teachers and a student of two layers, with two seeds."""
    found, left_out = comparison_spec.expand_all(asked(*EVERYTHING, seeds=(0, 1)))
    assert left_out == {}
    return comparison.plan(found)


# --- names -----------------------------------------------------------------------------------


def test_all_has_every_method_every_control_and_each_further_teacher():
    names = variants.all_names(3)
    assert set(METHODS) <= set(names)
    for source in ("sparse_teacher", "random_mask", "assistant", "teacher_2", "teacher_3"):
        assert f"vanilla:{source}" in names
    assert len(names) == len(set(names))


def test_the_control_of_entropy_learns_from_the_dense_teacher_and_needs_the_sparse_one():
    found = by_role(comparison.plan(asked("vanilla:matched_entropy", "vanilla:sparse_teacher")))
    control, sparse = found["vanilla:matched_entropy"], found["vanilla:sparse_teacher"]
    dense = found["teacher"].run_id
    assert control.teachers == [dense]
    assert (
        control.inputs["entropy_of"] == sparse.inputs["teacher"] == found["sparse_teacher"].run_id
    )
    assert control.inputs["init"] == sparse.inputs["init"] == dense
    random = by_role(comparison.plan(asked("vanilla:matched_entropy:random_mask")))
    assert random["vanilla:matched_entropy:random_mask"].inputs["entropy_of"] == (
        random["random_mask_teacher"].run_id
    )
    with pytest.raises(BadInput, match="no sparse teacher"):
        comparison.plan(asked("vanilla:matched_entropy:teacher_2", count=2))


def test_all_names_no_student_twice():
    made = [
        (way.card.name, way.source, json.dumps([way.params({}).values(), way.start]))
        for way in map(variants.parse, variants.all_names(2))
    ]
    assert len(made) == len(set(made))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("vanila", "vanilla"),
        ("vanilla:sparse_techer", "vanilla:sparse_teacher"),
        ("fine_tuning:sparse_teacher", ":sparse_teacher"),
        ("vanilla:teacher_1", "vanilla:teacher_2"),
        ("teacher_selection:assistant", "teacher_selection"),
    ],
)
def test_an_unknown_name_says_the_nearest(name: str, advice: str):
    with pytest.raises(NotFound) as error:
        variants.parse(name)
    assert advice in error.value.hint


def test_every_role_of_a_comparison_has_a_title_in_words(everything: Plan):
    for step in everything.steps:
        assert roles.title(step.role) != step.role, step.role
    titles = {roles.title(step.role) for step in everything.steps}
    assert len(titles) == len({step.role for step in everything.steps})


# --- the plan --------------------------------------------------------------------------------


def test_every_run_finds_its_inputs_before_it_and_stands_once(everything: Plan):
    seen: set[str] = set()
    for step in everything.steps:
        assert set(step.recipe.needs) <= seen
        assert step.recipe.run_id not in seen
        seen.add(step.recipe.run_id)


def test_all_students_have_the_same_first_weights_budget_and_seeds(everything: Plan):
    first = everything.steps[0].recipe.run_id
    compared = [step for step in everything.steps if roles.is_compared(step.role)]
    students = [step for step in compared if step.role not in BASELINES]
    assert {step.recipe.inputs["init"] for step in students} == {first}
    assert len({json.dumps(step.recipe.params["train"]) for step in students}) == 1
    starts = {step.role: step.recipe.params["student"] for step in students}
    assert starts.pop("fine_tuning:no_teacher") == {**starts["vanilla"], "choice": "pretrained"}
    assert len(set(map(json.dumps, starts.values()))) == 1
    names = [{s.role for s in compared if s.seed == seed} for seed in (0, 1)]
    assert names[0] == names[1] == set(variants.all_names(2))


def test_no_teacher_at_all_needs_a_counterpart_that_starts_from_the_teachers_layers():
    names = ("fine_tuning:no_teacher", "fine_tuning")
    for choice in ("pretrained", "random", "pruned", "checkpoint"):
        spec = asked(*names, student=StudentParams(choice=choice, layers=2))
        with pytest.raises(Incompatible, match=f"initial weights: {choice}"):
            comparison.plan(spec)
    with pytest.raises(BadInput, match="no student"):
        comparison.plan(asked("fine_tuning:no_teacher"))
    plan = comparison.plan(asked("fine_tuning:no_teacher", "fine_tuning"))
    _, request = parse(shlex.split(command.command(plan))[3:])
    assert comparison.plan(request.comparison(references.card(TASK))).id == plan.id


def test_teachers_are_made_once_and_only_those_that_teach(everything: Plan):
    made = [step.role for step in everything.steps if step.recipe.stage == "finetune"]
    assert made == ["teacher", "teacher_2"]
    alone = comparison.plan(asked("vanilla", "vanilla:sparse_teacher"))
    assert [step.role for step in alone.steps if step.recipe.stage == "finetune"] == ["teacher"]


def test_its_sparse_teachers_and_students_are_those_of_a_study():
    found = by_role(comparison.plan(asked("vanilla:sparse_teacher", "vanilla:random_mask")))
    train, student = comparison_spec.defaults("demo:")
    own = stark.StudySpec(TASK, "demo:", recipes.defaults("demo:")[0], train, student)
    study = by_role(stark.plan(own))
    pairs = {"vanilla:sparse_teacher": "student", "vanilla:random_mask": "random_mask_student"}
    for role, twin in pairs.items():
        assert found[role].run_id == study[twin].run_id


def test_a_trial_student_that_is_compared_too_is_made_once_under_its_own_name():
    plan = comparison.plan(asked("vanilla:sparse_teacher", "vanilla"))
    assert [step.role for step in plan.steps] == [
        "teacher", "vanilla", "scores", "sparse_teacher", "vanilla:sparse_teacher",
    ]  # fmt: skip


def test_any_method_of_one_teacher_learns_from_the_sparse_one():
    found = by_role(comparison.plan(asked("knowledge_selection:hard:sparse_teacher")))
    student = found["knowledge_selection:hard:sparse_teacher"]
    assert student.teachers == [found["sparse_teacher"].run_id]
    assert student.params["method"]["action"] == "hard"
    assert found["trial_student"].method == "vanilla"


def test_a_dense_and_a_sparse_teacher_teach_together():
    found = by_role(comparison.plan(asked("teacher_selection:dense_and_sparse", count=1)))
    student = found["teacher_selection:dense_and_sparse"]
    assert student.teachers == [found["teacher"].run_id, found["sparse_teacher"].run_id]


def test_the_assistant_lies_half_way_and_its_student_starts_from_the_teacher():
    found = by_role(comparison.plan(asked("vanilla:assistant")))
    teacher, assistant, student = found["teacher"], found["assistant"], found["vanilla:assistant"]
    assert assistant.params["student"]["layers"] == 3
    assert assistant.inputs == {"teacher": teacher.run_id, "init": teacher.run_id}
    assert student.inputs == {"teacher": assistant.run_id, "init": teacher.run_id}


def test_the_assistant_of_a_pruned_student_is_pruned_half_as_much():
    shape = StudentParams(choice="pruned", sparsity=0.6)
    found = by_role(comparison.plan(asked("vanilla:assistant", student=shape)))
    assert found["assistant"].params["student"]["sparsity"] == pytest.approx(0.3)


def test_each_further_teacher_teaches_alone():
    found = by_role(comparison.plan(asked("vanilla:teacher_2")))
    assert found["vanilla:teacher_2"].teachers == [found["teacher_2"].run_id]
    assert found["vanilla:teacher_2"].inputs["init"] == found["teacher"].run_id


def test_what_is_changed_for_a_method_holds_for_its_variants_but_not_what_makes_them():
    changes = {"knowledge_selection": {"episodes": 2, "action": "soft", "temperature": 4.0}}
    names = ("knowledge_selection", "knowledge_selection:hard")
    found = by_role(comparison.plan(asked(*names, changes=changes)))
    hard = found["knowledge_selection:hard"].params["method"]
    assert (hard["action"], hard["episodes"], hard["temperature"]) == ("hard", 2, 4.0)


def test_changes_of_vanilla_reach_trial_students_and_assistants():
    names = ("vanilla:sparse_teacher", "vanilla:assistant")
    found = by_role(comparison.plan(asked(*names, changes={"vanilla": {"alpha": 0.9}})))
    taught = [recipe for recipe in found.values() if recipe.stage == "distil"]
    assert [recipe.params["method"]["alpha"] for recipe in taught] == [0.9] * 4


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        (asked("knowledge_selection", layers=3), Incompatible, "4 layers, the student 3"),
        (asked("knowledge_selection", layers=1), Incompatible, "needs a student of 2 layers"),
        (asked("vanilla:assistant", layers=3), BadInput, "No assistant fits"),
        (asked("teacher_selection", count=1), BadInput, "2 to 8 teachers, not 1"),
        (asked("vanilla:teacher_2", count=1), BadInput, "needs 2 teachers, not 1"),
        (asked("vanilla", seeds=()), BadInput, "needs a method and a seed"),
        (asked(), BadInput, "needs a method and a seed"),
        (asked("vanilla", changes={"vanilla": {"alpha": 2}}), BadInput, "alpha = 2"),
        (asked("vanilla", changes={"vanila": {"alpha": 1}}), NotFound, "vanila"),
    ],
)
def test_what_cannot_work_is_refused_before_any_run(
    wrong: ComparisonSpec, kind: type[SparseKDError], words: str
):
    with pytest.raises(kind, match=words):
        comparison.plan(wrong)


def test_two_names_of_one_student_are_refused():
    changes = {"knowledge_selection": {"choose": "uniform"}}
    names = ("knowledge_selection", "knowledge_selection:uniform")
    with pytest.raises(BadInput, match="are the same student"):
        comparison.plan(asked(*names, changes=changes))


def test_all_leaves_out_what_does_not_fit_and_says_why():
    found, left_out = comparison_spec.expand_all(asked(*EVERYTHING, count=1, layers=3))
    assert "2 to 8 teachers" in left_out["teacher_selection"]
    assert "the student 3" in left_out["knowledge_selection:hard"]
    assert "No assistant" in left_out["vanilla:assistant"]
    assert {"fine_tuning", "vanilla", "vanilla:sparse_teacher"} <= set(found.methods)
    assert not set(left_out) & set(found.methods)
    comparison.plan(found)


def test_a_teacher_whose_depth_only_the_hub_knows_needs_the_assistants_layers():
    far = (recipes.finetune("glue/rte", "hub:some/model", recipes.defaults("")[0]),)
    wanted = asked("vanilla:assistant", teachers=far)
    with pytest.raises(BadInput, match="not known here"):
        comparison.plan(wanted)
    found = by_role(comparison.plan(replace(wanted, assistant_layers=6)))
    assert found["assistant"].params["student"]["layers"] == 6


# --- kept and repeated -----------------------------------------------------------------------


def test_a_plan_keeps_its_kind_and_old_plans_are_studies(everything: Plan):
    assert Plan.from_json(everything.to_json()) == everything
    old = json.loads(stark.plan(stark.demo()).to_json())
    del old["kind"]
    assert Plan.from_json(json.dumps(old)).kind == "study"


def test_the_command_line_of_a_comparison_repeats_it(everything: Plan):
    train, _ = comparison_spec.defaults("demo:")
    other = asked(
        "vanilla",
        "knowledge_selection:hard",
        "vanilla:random_mask",
        "vanilla:sparse_teacher",
        "vanilla:assistant",
        "vanilla:teacher_2",
        seeds=(0, 1, 2),
        layers=1,
        train=train.changed({"epochs": 3}),
        mask=MaskParams(lam=0.25, sparsity=0.4),
        score=ScoreParams(friendliness="kl"),
        changes={"knowledge_selection": {"episodes": 2}},
    )
    own = tuple(
        recipes.finetune(TASK, name, recipes.defaults(name)[0].changed({"epochs": 5}))
        for name in DEMO_CHECKPOINTS
    )
    other = replace(other, teachers=own, student=StudentParams(layers=2), assistant_layers=3)
    pooled = comparison.plan(replace(other, fine_tunings=3))
    for plan in (everything, comparison.plan(other), pooled):
        words = shlex.split(command.command(plan))[3:]
        _, request = parse(words)
        found, _ = comparison_spec.expand_all(request.comparison(references.task(request.task)))
        assert comparison.plan(found) == plan


def test_answers_are_a_further_teacher_of_a_comparison_and_its_command_repeats_it(tmp_path: Path):
    file = tmp_path / "answers.csv"
    file.write_text("text,label\nA film,positive\n")
    card = references.card(TASK)
    words = ["compare", "--task", TASK, "--methods", "vanilla,vanilla:teacher_2,teacher_selection"]
    words += ["--teacher", "demo:", "--teacher", str(file), "--teacher", "demo:distilbert"]
    plan = comparison.plan(parse(words)[1].comparison(card))
    answers = references.teacher(str(file), card)
    assert [step.role for step in plan.steps if roles.is_teacher(step.role)] == [
        "teacher",
        "teacher_3",
    ]
    made = by_role(plan)
    assert made["vanilla:teacher_2"].teachers == [answers]
    assert made["vanilla:teacher_2"].inputs["init"] == made["teacher"].run_id
    dense, third = made["teacher"].run_id, made["teacher_3"].run_id
    assert made["teacher_selection"].teachers == [dense, answers, third]
    again = shlex.split(command.command(plan))[3:]
    assert comparison.plan(parse(again)[1].comparison(card)) == plan


def test_a_comparison_refuses_answers_where_layers_are_read(tmp_path: Path):
    file = tmp_path / "answers.csv"
    file.write_text("text,label\nA film,positive\n")
    answers = references.teacher(str(file), references.card(TASK))
    with pytest.raises(BadInput, match="reads its teacher's layers"):
        comparison.plan(asked("pkd:teacher_2", teachers=(*teachers(1), answers)))
    with pytest.raises(BadInput, match="which has no layers"):
        comparison.plan(asked("vanilla", teachers=(answers, *teachers(1))))
