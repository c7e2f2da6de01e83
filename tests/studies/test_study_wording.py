"""Verdicts of studies and comparisons as sentences."""

import pandas as pd
import pytest

from sparsekd.studies.comparisons import comparison_results
from sparsekd.studies.study_metric import StudyMetric, intervals, seed_table
from sparsekd.studies.study_wording import (
    Statement,
    comparison_statements,
    role_in_sentence,
    study_statements,
    teacher_values,
)


def study(metric: str = "accuracy", **values: list[float]) -> StudyMetric:
    """Models by role, with these values seed by seed."""
    rows = [
        {
            "role": role,
            "method": "",
            "seed": seed,
            "teacher_seed": 0,
            "teachers": 1,
            "split": "validation",
            "metric": metric,
            "value": value,
            "parameters": 10,
            "seconds": 1.0,
            "run": f"{role}{seed}",
        }
        for role, own in values.items()
        for seed, value in enumerate(own)
    ]
    return StudyMetric(pd.DataFrame(rows), "validation", metric)


def first(student: list[float], trial: list[float], metric: str = "accuracy") -> Statement:
    return study_statements(study(metric, student=student, trial_student=trial))[0]


def test_an_abbreviation_keeps_its_letters_inside_a_sentence() -> None:
    assert role_in_sentence("tfidf").startswith("TF-IDF")
    assert role_in_sentence("vanilla") == "vanilla distillation"


def test_one_seed_gives_no_verdict_however_large_the_difference() -> None:
    found = first([0.9], [0.6])

    assert found.verdict == "inconclusive"
    assert "is 30.0 points above the trial student" in found.text
    assert found.text.endswith("Inconclusive: 1 of at least 5 seeds.")


def test_five_seeds_that_agree_say_better_with_the_evidence() -> None:
    found = first([0.91, 0.92, 0.90, 0.93, 0.91], [0.85, 0.86, 0.85, 0.86, 0.85])

    assert found.verdict == "better"
    assert "on average over 5 seeds 6.0 points above" in found.text
    assert "Better (" in found.text
    assert "5 seeds, corrected p = " in found.text


def test_five_seeds_that_agree_the_other_way_say_worse() -> None:
    found = first([0.85, 0.86, 0.85, 0.86, 0.85], [0.91, 0.92, 0.90, 0.93, 0.91])

    assert found.verdict == "worse"
    assert "points below the trial student" in found.text


def test_five_seeds_that_disagree_are_inconclusive() -> None:
    found = first([0.9, 0.8, 0.9, 0.8, 0.9], [0.8, 0.9, 0.8, 0.9, 0.85])

    assert found.verdict == "inconclusive"
    assert "Inconclusive: not significant" in found.text


def test_a_smaller_loss_is_better_and_has_no_points() -> None:
    found = first([0.31, 0.32, 0.3, 0.33, 0.31], [0.51, 0.5, 0.52, 0.51, 0.53], "loss")

    assert found.verdict == "better"
    assert "0.200 below" in found.text
    assert "points" not in found.text


def test_without_a_control_there_is_no_verdict_yet() -> None:
    assert [one.verdict for one in study_statements(study(student=[0.9]))] == [""]


# --- comparisons -----------------------------------------------------------------------------

NOISE = [0.001, -0.001, 0.002, -0.002, 0.0015]


def statements(found: StudyMetric, against: str = "vanilla") -> dict[str, str]:
    variants = [role for role in found.values["role"].unique() if role != "teacher"]
    gaps = comparison_results.differences(found.frame, found.split, found.metric, against, variants)
    return {one.verdict: one.text for one in comparison_statements(found, gaps, against)}


def test_variants_are_grouped_by_their_verdict() -> None:
    base = [0.8, 0.81, 0.79, 0.8, 0.82]
    found = study(
        teacher=[0.9],
        vanilla=base,
        pkd=[value + 0.1 + noise for value, noise in zip(base, NOISE, strict=True)],
        fine_tuning=[value - 0.1 + noise for value, noise in zip(base, NOISE, strict=True)],
        tinybert=[value + noise for value, noise in zip(base, NOISE, strict=True)],
    )

    said = statements(found)

    assert said["better"].startswith("Better than vanilla distillation in accuracy: ")
    assert "(+10.0 points)" in said["better"]
    assert said["worse"].endswith("(−10.0 points).")
    assert said["inconclusive"].startswith("Inconclusive against vanilla distillation: ")
    assert teacher_values(found) == "Accuracy of the teachers: Teacher 0.900."


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.85, "the best mean, Patient distillation (PKD), is 5.0 points above vanilla"),
        (0.75, "no mean is better than vanilla distillation; Patient"),
        (0.8, "equals it"),
    ],
)
def test_few_seeds_name_the_best_mean_and_no_verdict(value: float, words: str) -> None:
    text = statements(study(vanilla=[0.8, 0.8], pkd=[value, value]))["inconclusive"]

    assert words in text
    assert text.endswith("Inconclusive: 2 of at least 5 seeds.")


def test_a_baseline_that_is_not_finished_gives_no_verdict_yet() -> None:
    found = study(vanilla=[0.8])
    assert "No verdict yet" in statements(found)[""]


# --- tables ----------------------------------------------------------------------------------


def test_every_seed_has_a_column_and_the_order_is_kept() -> None:
    table = seed_table(study(vanilla=[0.8, 0.7], pkd=[0.9, 0.6]), ["pkd", "vanilla"])

    assert list(table.columns) == ["method", "seed 0", "seed 1"]
    assert table.iloc[:, 1:].to_numpy().tolist() == [[0.9, 0.6], [0.8, 0.7]]


def test_an_unknown_interval_is_a_dash() -> None:
    low, high = pd.Series([0.1, float("nan")]), pd.Series([0.25, 0.3])

    assert intervals(low, high, "+") == ["+0.100 to +0.250", "–"]
