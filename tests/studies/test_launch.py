"""What a launch starts, and how many trainings it takes."""

from pathlib import Path

from sparsekd.catalog.methods import find
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.runs.records import Recipe
from sparsekd.studies import recipes
from sparsekd.studies.launch import plan_launch, students_launch, variant_costs
from tests.sample_study import fill_plan, sample_plan


def student(method: str, seed: int = 0, **values: object) -> Recipe:
    params = find(method).params.of(values)
    return recipes.distil(
        "demo/sentiment", method, "t", TrainParams(), params, StudentParams(), seed=seed
    )


def test_students_of_a_plain_method_are_one_training_each() -> None:
    launch = students_launch([student("vanilla"), student("vanilla", 1)])

    assert (launch.what, launch.trainings) == ("2 students", 2)


def test_training_episodes_count_as_trainings() -> None:
    launch = students_launch([student("knowledge_selection", episodes=3, phases=5)])

    assert launch.trainings == 4
    assert "3 training episodes" in launch.what
    assert f"{3 * (5 + 1)} reward passes" in launch.what
    assert "15 decisions, 10 of them random" in launch.what


def test_only_missing_runs_of_a_plan_are_launched(home: Path) -> None:
    launch = plan_launch(fill_plan(sample_plan()))
    assert launch.trainings == 0

    launch = plan_launch(sample_plan(seeds=(0, 1)))

    # Teacher and the first seed's seven runs exist; a seed trains four students.
    assert launch.what == "7 new runs, 4 trainings in total (8 exist already)"
    assert launch.trainings == 4


def test_a_study_has_no_variants_to_price() -> None:
    assert variant_costs(sample_plan(), 100).empty
