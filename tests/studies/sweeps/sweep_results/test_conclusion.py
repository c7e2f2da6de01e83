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
from sparsekd.studies.verdict import INCONCLUSIVE, Verdict
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
    ours, theirs = one.choices["scores"].values, one.choices["dense"].values
    gaps = np.array([ours[seed] - theirs[seed] for seed in range(5)])
    assert found.difference == pytest.approx(gaps.mean())
    assert found.p < found.p_corrected < 0.05
    assert found.words == "better"
    assert one.verdict == found
    assert one.table()["control"].tolist() == list(one.verdicts)


def test_better_with_more_tries_than_the_control_says_so():
    found = concluded(frame(ordinary)).verdicts
    assert found["random"].words == "better: with 10 tries against 3"
    assert found["λ = 0"].words == "inconclusive: no difference in any seed"


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
    # Five controls of each method; the clearest is tested at 5 % / 10.
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
    assert "Chosen on the selection split from 10 tries: λ = 0.5, sparsity 40 %." in words
    assert "Its control is the best of 10 tries." in words
    assert words.endswith("would have claimed 0.9040.")


def test_no_effect_is_inconclusive_with_the_seeds_that_would_detect_it():
    drawn = np.random.default_rng(3)
    words = sentence(frame(lambda *_: tuple(drawn.normal(0.8, 0.01, 2))))
    assert words.startswith("Inconclusive against the dense teacher: ")
    assert "not significant" in words
    assert "seeds would" in words or "seeds to detect" in words


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


# --- simulation ------------------------------------------------------------------------------


def verdicts(tries: Tries) -> dict[str, Verdict]:
    return conclude({"vanilla": tries}, "validation", "accuracy")["vanilla"].verdicts


@pytest.mark.parametrize("luck", [0.0, 0.7])
def test_without_effect_a_study_gives_a_verdict_in_five_of_a_hundred(luck: float):
    studies = 120
    found = [verdicts(tries) for tries in simulated(studies, luck)]
    wrong = [{kind for kind, each in one.items() if each.verdict != INCONCLUSIVE} for one in found]
    # Over all controls together; Monte-Carlo error on top.
    assert np.mean([bool(each) for each in wrong]) <= 0.05 + 3 * math.sqrt(0.0475 / studies)
    assert np.mean(["dense" in each for each in wrong]) <= 0.05
    # The dense teacher had as many tries, and as much luck.
    gaps = np.array([each["dense"].difference for each in found])
    assert abs(gaps.mean()) < 3 * gaps.std() / math.sqrt(studies)


def test_a_large_effect_is_detected_as_often_as_its_power_says():
    studies, found = 60, []
    for tries in simulated(studies, luck=0.0, seed=2):
        lifted = 3.0 * (tries.places["ranking"] == "scores").to_numpy()[:, None]
        moved = replace(tries, selected=tries.selected + lifted, reported=tries.reported + lifted)
        found.append(verdicts(moved)["dense"].verdict)
    # Five controls: at least as often as each alone at a fifth of 5 %, by statsmodels' power.
    power = TTestPower().power(3 / math.sqrt(2), SEEDS, 0.01)
    assert found.count("better") / studies > power - 3 * math.sqrt(0.25 / studies)
    assert "worse" not in found
