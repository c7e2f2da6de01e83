"""A comparison with several fine-tunings of its teacher."""

from dataclasses import replace
from pathlib import Path

import pytest

from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, Recipe, State
from sparsekd.studies import launch, recipes, results, titles
from sparsekd.studies.comparisons import comparison, comparison_results, comparison_spec
from sparsekd.studies.comparisons.comparison_spec import ComparisonSpec
from sparsekd.studies.teacher_parts import parts, teacher_seed
from tests.studies.comparisons.test_comparison import asked

METHODS = ("tfidf", "vanilla", "vanilla:sparse_teacher", "vanilla:teacher_2")


@pytest.fixture(autouse=True)
def _in_home(home: Path) -> None:
    """Every test has a store of its own."""


def finish(plan: Plan) -> Plan:
    """Every run done, with an accuracy of .6, .1 more for each seed of the teacher."""
    store.save_plan(plan)
    for part in parts(plan):
        for step in part.steps:
            if store.create(step.recipe).state is not State.DONE:
                scores = {"accuracy": 0.6 + teacher_seed(part) / 10 + step.seed / 100}
                outcome = Outcome({"selection": scores, "validation": scores}, {"parameters": 10})
                store.finish(step.recipe.run_id, State.DONE, outcome, 1.0)
    return plan


def pooled(*methods: str, count: int = 1, fine_tunings: int = 2) -> ComparisonSpec:
    return asked(*methods, count=count, seeds=(0, 1), fine_tunings=fine_tunings)


def runs(plan: Plan) -> set[tuple[str, str]]:
    return {(step.role, step.recipe.run_id) for step in plan.steps}


def test_each_part_is_the_comparison_with_its_teacher():
    spec = pooled(*METHODS, count=2)
    found = parts(comparison.plan(spec))
    assert [teacher_seed(part) for part in found] == [0, 1]
    for seed, part in enumerate(found):
        models = [each for each in spec.teachers if isinstance(each, Recipe)]
        own = tuple(replace(each, seed=seed) for each in models)
        alone = comparison.plan(replace(spec, teachers=own, fine_tunings=1))
        assert runs(part) == runs(alone)


def test_a_comparison_of_one_teacher_is_its_only_part():
    plan = comparison.plan(pooled(*METHODS, count=2, fine_tunings=1))
    assert parts(plan) == (plan,)


def test_a_checkpoint_that_is_named_twice_gets_four_seeds():
    spec = pooled("vanilla", "vanilla:teacher_2")
    first = spec.first
    spec = replace(spec, teachers=(first, replace(first, seed=1)))
    seeds = [[each.seed for each in own.teachers] for own in comparison_spec.of_each_teacher(spec)]
    assert seeds == [[0, 1], [2, 3]]


@pytest.mark.parametrize("teacher", ["answers:a#1", "prune", "as it is"])
def test_what_cannot_be_fine_tuned_again_is_refused(teacher: str):
    spec = pooled("vanilla")
    other: Recipe | str = teacher
    if teacher == "prune":
        other = replace(spec.first, stage="prune")
    elif teacher == "as it is":
        other = recipes.finetune(spec.task, "folder:/x#1", TrainParams(epochs=0))
    with pytest.raises(BadInput, match="cannot be fine-tuned again"):
        comparison.plan(replace(spec, teachers=(spec.first, other)))


def test_a_baseline_that_needs_no_teacher_stands_beside_each():
    plan = finish(comparison.plan(pooled("tfidf", "vanilla")))
    frame = results.study_frame(plan)
    rows = frame[(frame["split"] == "validation") & (frame["metric"] == "accuracy")]
    for role, count in (("tfidf", 2), ("vanilla", 4)):
        own = rows[rows["role"] == role]
        assert sorted(zip(own["teacher_seed"], own["seed"], strict=True)) == [
            (0, 0),
            (0, 1),
            (1, 0),
            (1, 1),
        ]
        assert own["run"].nunique() == count


def test_the_cost_is_that_of_one_seed_and_teacher():
    one, two = (comparison.plan(pooled("vanilla", fine_tunings=count)) for count in (1, 2))
    assert launch.variant_costs(one, 10).equals(launch.variant_costs(two, 10))


def test_students_of_the_same_seed_are_titled_by_their_teacher():
    plan = comparison.plan(pooled("tfidf", "vanilla"))
    found = titles.run_titles(plan)
    named = sorted(found[step.recipe.run_id] for step in plan.steps if step.role == "vanilla")
    assert named == [
        f"Vanilla distillation, teacher seed {teacher}, seed {seed}"
        for teacher in (0, 1)
        for seed in (0, 1)
    ]
    assert len(set(found.values())) == len(found)


def test_the_mean_with_each_teacher_is_known():
    plan = finish(comparison.plan(pooled("tfidf", "vanilla")))
    frame = results.study_frame(plan)
    means = results.teacher_means(frame, "validation", "accuracy").set_index("role")
    assert means.loc["vanilla"].tolist() == pytest.approx([0.605, 0.705])
    assert means.loc["tfidf"].tolist() == pytest.approx([0.605, 0.605])
    assert len(comparison_results.teachers(plan)) == 2
