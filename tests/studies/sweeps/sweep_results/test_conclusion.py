"""Verdicts of a sweep: corrected over all controls, right as often as promised, and in words."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestPower

from sparsekd.studies.sweeps import sweep_results
from sparsekd.studies.sweeps.sweep_results.choosing import Tries
from sparsekd.studies.sweeps.sweep_results.conclusion import conclude
from sparsekd.studies.verdict import Verdict
from tests.studies.sweeps.sweep_results.sample_tries import (
    SEEDS,
    concluded,
    frame,
    ordinary,
    simulated,
)


def test_a_verdict_is_paired_over_seeds_and_corrected_for_all_controls():
    one = concluded(frame(ordinary))
    assert list(one.verdicts) == ["dense", "random", "none", "λ = 0", "λ = 1"]
    found = one.verdicts["dense"]
    ours, theirs = one.choices["scores"], one.choices["dense"]
    gaps = np.array([ours.values[seed] - theirs.values[seed] - ours.luck for seed in range(5)])
    assert found.difference == pytest.approx(gaps.mean())
    assert found.p < found.p_corrected < 0.05
    assert found.words == "better"
    assert one.verdict == found
    assert one.table()["control"].tolist() == list(one.verdicts)


def test_a_control_that_is_the_chosen_try_itself_is_as_lucky():
    random = np.random.default_rng(0)

    def worth(ranking: str, lam: float, sparsity: float, attempt: int, seed: int) -> Any:
        return tuple(0.8 + 0.1 * ((lam, sparsity) == (0.0, 0.4)) + random.normal(0, 0.01, 2))

    one = concluded(frame(worth))
    assert one.cell == (0.0, 0.4)
    assert one.choices["scores"].luck != 0
    assert one.verdicts["λ = 0"].words == "inconclusive: no difference in any seed"


def waiting(students: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    """The same with some students queued."""
    missing = students[rows].drop_duplicates("run")
    missing = missing.assign(state="queued", split=None, metric=None, value=np.nan)
    return pd.concat([students[~rows], missing])


def test_controls_that_are_not_finished_count_in_the_correction():
    students = frame(ordinary)
    whole = concluded(students).verdicts
    early = concluded(waiting(students, students["ranking"] == "random")).verdicts
    assert "random" not in early
    assert early["dense"].p_corrected >= whole["dense"].p_corrected


def test_the_comparisons_of_all_methods_are_corrected_together():
    students = frame(ordinary)
    other = students[students["ranking"] != "none"].assign(method="pkd")
    both = pd.concat([students, other.assign(run="pkd " + other["run"])])
    alone = concluded(students).verdicts
    queued = sweep_results.conclusions(
        waiting(both, both["method"] == "pkd"), "validation", "accuracy"
    )
    # Five controls of each method; the clearest is tested at 5% / 10.
    clearest = min(alone, key=lambda control: alone[control].p)
    assert alone[clearest].p_corrected == pytest.approx(5 * alone[clearest].p)
    found = queued["vanilla"].verdicts[clearest]
    assert found.p_corrected == pytest.approx(10 * found.p)
    assert queued["pkd"].verdicts == {}


def test_a_lower_loss_is_better():
    students = frame(lambda *place: tuple(-value for value in ordinary(*place)), "loss")
    found = concluded(students, "loss").verdicts["dense"]
    assert found.difference < 0
    assert found.verdict == "better"


def test_four_seeds_give_no_verdict():
    found = concluded(frame(ordinary, seeds=4)).verdicts.values()
    assert {each.words for each in found} == {"inconclusive: 4 of at least 5 seeds"}


# --- words -----------------------------------------------------------------------------------


def sentence(students: pd.DataFrame, metric: str = "accuracy") -> str:
    return concluded(students, metric).sentence


def test_the_verdict_comes_first_and_the_optimism_last():
    words = sentence(frame(ordinary))
    assert words.startswith("Better than with the dense teacher: +")
    assert "Chosen on the selection split from 10 tries: λ = 0.5, sparsity 40%." in words
    assert "The luck of choosing is taken off: " in words
    assert words.endswith("would have claimed 0.9040.")


def test_no_effect_is_inconclusive():
    drawn = np.random.default_rng(3)
    words = sentence(frame(lambda *_: tuple(drawn.normal(0.8, 0.01, 2))))
    assert words.startswith("Inconclusive against the dense teacher: ")
    assert "not significant" in words


def test_a_worse_student_is_worse_and_without_students_there_is_no_verdict():
    def worse(ranking: str, lam: float, sparsity: float, attempt: int, seed: int) -> Any:
        value = (0.7 if ranking == "scores" else 0.8) + 0.001 * ((seed * seed + attempt) % 5) * (
            ranking == "scores"
        )
        return (value + 0.2 * (ranking == "scores"), value)

    assert sentence(frame(worse)).startswith("Worse than with the dense teacher: -")
    empty = frame(ordinary).assign(state="queued", split=None, metric=None, value=np.nan)
    assert sentence(empty).startswith("No verdict yet")
    assert concluded(empty).cell is None


def test_the_dense_cell_may_be_chosen():
    def dense(ranking: str, lam: float, sparsity: float, attempt: int, seed: int) -> Any:
        value = 0.8 + 0.1 * (ranking == "dense") + 0.001 * ((3 * seed + attempt) % 5)
        return value, value

    assert "no pruning (sparsity 0)" in sentence(frame(dense))
    assert concluded(frame(dense)).cell == (0, 0)


def test_a_study_of_the_dense_teacher_alone_compares_its_student():
    students = frame(ordinary)
    dense = students[students["ranking"].isin(["dense", "none"])]
    one = concluded(dense)
    assert list(one.verdicts) == ["none"]
    assert one.sentence.startswith("Inconclusive against no soft labels: +0.0500 accuracy")
    assert "sign test" in one.sentence
    assert "Chosen" not in one.sentence


# --- simulation ------------------------------------------------------------------------------


def verdicts(tries: Tries) -> dict[str, Verdict]:
    return conclude({"vanilla": tries}, "validation", "accuracy")["vanilla"].verdicts


@pytest.mark.parametrize(("luck", "spread"), [(0.0, 1.0), (0.7, 3.0), (0.95, 0.0)])
def test_without_effect_each_wrong_verdict_is_as_rare_as_promised(luck: float, spread: float):
    studies = 120
    found = [verdicts(tries) for tries in simulated(studies, luck, spread)]
    words = [{each.verdict for each in one.values()} for one in found]
    # Over all controls together; Monte-Carlo error on top.
    most = 0.025 + 3 * math.sqrt(0.025 * 0.975 / studies)
    assert np.mean(["better" in each for each in words]) <= most
    assert np.mean(["worse" in each for each in words]) <= most
    # Nothing of the luck of choosing is left against the dense teacher, which chose nothing.
    gaps = np.array([each["dense"].difference for each in found])
    assert abs(gaps.mean()) < 0.1 + 3 * gaps.std() / math.sqrt(studies)


def test_the_luck_of_choosing_was_there_to_be_taken_off():
    raw = [tries.choices()["scores"].reported for tries in simulated(60, 0.95, 0.0)]
    assert np.mean(raw) > 0.4  # of unit spread, mean of five seeds


def test_a_large_effect_is_detected_as_often_as_its_power_says():
    studies, found = 60, []
    for tries in simulated(studies, luck=0.0, seed=2):
        lifted = 3.0 * (tries.places["ranking"] == "scores").to_numpy()[:, None]
        moved = replace(tries, selected=tries.selected + lifted, reported=tries.reported + lifted)
        found.append(verdicts(moved)["dense"].verdict)
    # Five controls: at least as often as each alone at a fifth of 5%, by statsmodels' power.
    power = TTestPower().power(3 / math.sqrt(2), SEEDS, 0.01)
    assert found.count("better") / studies > power - 3 * math.sqrt(0.25 / studies)
    assert "worse" not in found
