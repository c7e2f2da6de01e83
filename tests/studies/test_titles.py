"""Titles of the runs of a plan."""

from pathlib import Path

from sparsekd.studies import titles
from sparsekd.studies.sweeps import sweep
from tests import sample_sweep
from tests.sample_study import fill_plan, sample_plan


def test_runs_of_a_study_are_titled_by_role_and_by_seed_where_there_are_several() -> None:
    one, several = sample_plan(), sample_plan((0, 1))

    assert titles.run_titles(one)[one.steps[0].recipe.run_id] == "Teacher"
    names = titles.run_titles(several)
    assert [names[step.recipe.run_id] for step in several.steps if step.role == "student"] == [
        "Student of the sparse teacher, seed 0",
        "Student of the sparse teacher, seed 1",
    ]


def test_runs_of_a_sweep_are_titled_by_their_cell() -> None:
    plan = sweep.plan(sample_sweep.asked())

    found = titles.run_titles(plan)

    names = [found[step.recipe.run_id] for step in plan.steps if step.role == "student"]
    assert "Student of the sparse teacher, λ 0.5, sparsity 30%, seed 2" in names
    assert len(set(names)) == len(names)


def test_the_finished_models_of_the_first_seed_stand_first(home: Path) -> None:
    plan = fill_plan(sample_plan((0, 1)))

    found = titles.titled_models(plan)

    names = list(found)
    assert names[:2] == ["Teacher", "Student with no soft labels, seed 0"]
    seeds = [name[-1] for name in names if "seed" in name]
    assert seeds == sorted(seeds)
    assert all(run.recipe.stage in ("finetune", "distil", "prune") for run in found.values())
    half = fill_plan(sample_plan((2,)), until="student")
    assert "Student of the sparse teacher" not in titles.titled_models(half)
