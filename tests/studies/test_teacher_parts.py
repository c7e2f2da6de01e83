"""A comparison with several fine-tunings of its teacher."""

from dataclasses import replace
from pathlib import Path

import pytest

from sparsekd.errors import BadInput
from sparsekd.runs.records import Plan, Recipe
from sparsekd.studies import launch, results, titles
from sparsekd.studies.comparisons import comparison, comparison_results, comparison_spec
from sparsekd.studies.comparisons.comparison_spec import ComparisonSpec
from sparsekd.studies.teacher_parts import parts, teacher_seed
from tests.sample_study import SKILL, fill_plan
from tests.studies.comparisons.test_comparison import asked

METHODS = ("tfidf", "vanilla", "vanilla:sparse_teacher", "vanilla:teacher_2")


@pytest.fixture(autouse=True)
def _models(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role, skill in (("tfidf", 0.6), ("vanilla", 0.8)):
        monkeypatch.setitem(SKILL, role, skill)


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


@pytest.mark.parametrize("teacher", ["answers:a#1", "prune"])
def test_what_cannot_be_fine_tuned_again_is_refused(teacher: str):
    spec = pooled("vanilla")
    other = replace(spec.first, stage="prune") if teacher == "prune" else teacher
    with pytest.raises(BadInput, match="cannot be fine-tuned again"):
        comparison.plan(replace(spec, teachers=(spec.first, other)))


def test_a_baseline_that_needs_no_teacher_stands_beside_each():
    plan = fill_plan(comparison.plan(pooled("tfidf", "vanilla")))
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
    plan = fill_plan(comparison.plan(pooled("tfidf", "vanilla")))
    frame = results.study_frame(plan)
    means = results.teacher_means(frame, "validation", "accuracy").set_index("role")
    own = frame[(frame["role"] == "vanilla") & (frame["metric"] == "accuracy")]
    own = own[(own["split"] == "validation") & (own["teacher_seed"] == 1)]
    assert means.loc["vanilla", "teacher seed 1"] == pytest.approx(own["value"].mean())
    assert len(comparison_results.teachers(plan)) == 2
