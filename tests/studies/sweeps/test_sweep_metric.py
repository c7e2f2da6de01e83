"""What the page of a trade-off study shows of one metric."""

from pathlib import Path

import pandas as pd
import pytest

from sparsekd.runs.records import Plan
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
