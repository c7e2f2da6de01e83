"""Tables of a comparison."""

from pathlib import Path

import pandas as pd
import pytest

from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies import recipes
from sparsekd.studies.comparisons import (
    comparison,
    comparison_results,
    comparison_spec,
    comparison_tables,
)
from sparsekd.studies.study_metric import default_metric
from tests import sample_study
from tests.sample_study import DEMO_TRAINING, fill_plan

NAMES = ("fine_tuning", "vanilla", "vanilla:sparse_teacher")


def plan_of(seeds: int) -> Plan:
    teacher = recipes.finetune("demo/sentiment", "demo:", DEMO_TRAINING)
    _, student = comparison_spec.defaults("demo:")
    spec = comparison_spec.ComparisonSpec(
        "demo/sentiment", NAMES, (teacher,), DEMO_TRAINING, student, seeds=tuple(range(seeds))
    )
    return comparison.plan(spec)


@pytest.fixture
def skills(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, skill in zip(NAMES, (0.7, 0.8, 0.9), strict=True):
        monkeypatch.setitem(sample_study.SKILL, name, skill)


def test_the_table_joins_means_differences_and_costs(skills: None) -> None:
    plan = fill_plan(plan_of(2))
    found = default_metric(plan)
    assert found is not None
    variants = comparison_results.variants(plan)
    gaps = comparison_results.differences(
        found.frame, found.split, found.metric, "vanilla", variants
    )

    table = comparison_tables.variant_table(
        plan, found.ranking(variants), gaps, found.teacher_means()
    )

    assert list(table["mean"]) == sorted(table["mean"], reverse=True)
    rows = table.set_index("role")
    expected = rows.loc["fine_tuning", "mean"] - rows.loc["vanilla", "mean"]
    assert rows.loc["fine_tuning", "difference"] == pytest.approx(expected)
    assert pd.isna(rows.loc["vanilla", "difference"])
    assert rows.loc["vanilla:sparse_teacher", "extra_steps"] == 400  # its trial student's

    words = comparison_tables.readable(table).set_index("what")
    assert words.loc["Vanilla distillation", "verdict"] == "–"
    assert words.loc["Vanilla distillation", "wins"] == "–"


def test_missing_students_are_grouped_by_the_reason(skills: None) -> None:
    plan = fill_plan(plan_of(1), until="scores")
    assert comparison_tables.missing_students(plan) == {}

    scores = next(step.recipe.run_id for step in plan.steps if step.role == "scores")
    store.finish(scores, State.FAILED, Outcome(message="The disk is full.", hint="Free it."), 1)

    assert comparison_tables.missing_students(plan) == {
        "The disk is full. Free it.": ["Vanilla distillation, sparse teacher"]
    }
