"""What the page of a trade-off study shows of one metric."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies import roles
from sparsekd.studies.study_metric import Level
from sparsekd.studies.sweeps import sweep, sweep_results
from sparsekd.studies.sweeps.sweep_metric import (
    SweepMetric,
    choice_table,
    default_sweep_metric,
    verdict_table,
)
from tests import sample_sweep


@pytest.fixture
def plan(home: Path) -> Plan:
    return sample_sweep.fill(sweep.plan(sample_sweep.asked(seeds=(0, 1))))


@pytest.fixture
def metric(plan: Plan) -> SweepMetric:
    found = default_sweep_metric(plan, sweep_results.students(plan))
    assert found is not None
    return found


def test_the_task_s_first_metric_on_a_reported_split_is_shown_first(metric: SweepMetric) -> None:
    assert (metric.method, metric.split, metric.metric) == ("vanilla", "validation", "accuracy")
    assert metric.options()["metric"] == ["accuracy", "loss"]
    assert "selection" not in metric.options()["split"]


def test_before_the_first_student_there_is_nothing_to_show(home: Path) -> None:
    plan = sample_sweep.fill(sweep.plan(sample_sweep.asked(seeds=(0,))), until=1)

    assert default_sweep_metric(plan, sweep_results.students(plan)) is None


def test_the_nearest_cell_is_on_the_grid(metric: SweepMetric) -> None:
    assert metric.axes() == ([0.0, 0.5, 1.0], [0.0, 0.3])
    assert metric.nearest_cell(0.7, 0.9) == (0.5, 0.3)


def test_a_cell_lists_its_seeds_with_run_and_scores(plan: Plan, metric: SweepMetric) -> None:
    table = metric.cell_table(0.5, 0.3)

    cell = sweep.cells(plan).query("ranking == 'scores' and lam == 0.5 and sparsity == 0.3")
    assert list(table["seed"]) == [0, 1]
    assert list(table["run"]) == list(cell["run"])
    assert list(table["scores"]) == list(cell["scores"])
    # The written students are 0.01 worse on validation than on selection.
    assert list(table["selected"] - table["reported"]) == pytest.approx([0.01, 0.01])


def test_at_sparsity_0_the_first_students_of_the_dense_teacher_are_listed(
    plan: Plan, metric: SweepMetric
) -> None:
    table = metric.cell_table(0.5, 0.0)

    cell = sweep.cells(plan).query("ranking == 'dense' and attempt == 0")
    assert list(table["run"]) == list(cell["run"])


def test_choices_and_verdicts_have_a_row_for_each_kind_of_teacher(metric: SweepMetric) -> None:
    conclusion = sweep_results.conclusions(metric.students, "validation", "accuracy")["vanilla"]

    choices = choice_table(conclusion).set_index("what")
    assert (choices.loc["Sparse teacher", "lam"], choices.loc["Sparse teacher", "sparsity"]) == (
        sample_sweep.BEST[0],
        100 * sample_sweep.BEST[1],
    )
    verdicts = verdict_table(conclusion)
    assert len(verdicts) == len(choices) - 1
    assert pd.notna(verdicts["difference"]).all()


# --- the majority baseline -------------------------------------------------------------------


def keep_answers(run: str, answers: list[int]) -> None:
    """Write what a model answers on ten texts, seven of them of class 1."""
    gold, folder = np.array([1] * 7 + [0] * 3), store.folder(run)
    for split in ("selection", "validation"):
        np.save(folder / f"labels-{split}.npy", gold)
        np.save(folder / f"logits-{split}.npy", np.eye(2)[answers])


def test_the_majority_class_is_a_row_below_the_choices(plan: Plan, metric: SweepMetric) -> None:
    assert metric.majority is None
    keep_answers(plan.steps[0].recipe.run_id, [1] * 7 + [0] * 3)
    found = replace(metric)
    assert found.majority == Level("majority class", pytest.approx(0.7))
    conclusion = sweep_results.conclusions(metric.students, "validation", "accuracy")["vanilla"]
    table = choice_table(conclusion, found.majority)
    assert list(table["what"])[-1] == "Majority class"
    assert list(table["reported"])[-1] == pytest.approx(0.7)
    assert len(table) == len(choice_table(conclusion)) + 1
    assert found.warnings(conclusion) == []


def test_students_that_answer_one_class_or_are_not_above_the_majority_are_named(
    plan: Plan, metric: SweepMetric
) -> None:
    keep_answers(plan.steps[0].recipe.run_id, [1] * 7 + [0] * 3)
    cells = sweep.cells(plan)
    (first, second, *_) = cells.loc[cells["ranking"] == "scores", "run"]
    keep_answers(str(first), [1] * 10)
    keep_answers(str(second), [1] * 7 + [0] * 3)
    conclusion = sweep_results.conclusions(metric.students, "validation", "accuracy")["vanilla"]
    (words,) = replace(metric).warnings(conclusion)
    title = roles.title("student")
    assert words == f"One class answered to every text: {title} in 1 of 2 runs (positive)."

    students = metric.students.assign(value=metric.students["value"] - 0.2)
    worse = sweep_results.conclusions(students, "validation", "accuracy")["vanilla"]
    (_, words) = replace(metric).warnings(worse)
    assert words.startswith("Not clearly above the majority class (0.700): ")
    assert words.count(";") == len(worse.choices) - 1
