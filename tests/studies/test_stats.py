"""Tests and intervals: against independent formulas, and by simulation with a known effect."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from sparsekd.studies import stats
from sparsekd.studies.stats import Sample
from sparsekd.tasks import jackknife

STUDIES = 2000
SEEDS = 5


def three_errors(rate: float, studies: int = STUDIES) -> float:
    """Three Monte-Carlo standard errors of a rate."""
    return 3 * math.sqrt(rate * (1 - rate) / studies)


def drawn(effect: float, seeds: int, studies: int = STUDIES, seed: int = 0) -> np.ndarray:
    """Differences of unit spread. Shapes: (studies, seeds)."""
    return np.random.default_rng(seed).normal(effect, 1.0, (studies, seeds))


def t_tail(t: float, freedom: int) -> float:
    """Two-sided p of a t value, by the incomplete beta function instead of scipy.stats."""
    return float(special.betainc(freedom / 2, 0.5, freedom / (freedom + t**2)))


# --- intervals -------------------------------------------------------------------------------


def test_the_t_interval_is_the_textbook_one():
    values = np.array([0.80, 0.83, 0.79, 0.85, 0.82])
    half = 2.7764451 * np.std(values, ddof=1) / math.sqrt(5)  # the table's t of 4 degrees, 97.5 %
    assert stats.interval(values) == pytest.approx((0.818 - half, 0.818 + half))


def test_one_value_and_equal_values_have_no_interval():
    assert all(np.isnan(stats.interval(np.array([0.5]))))
    assert all(np.isnan(stats.interval(np.full(5, 0.5))))


@pytest.mark.parametrize("seeds", [5, 10])
def test_the_t_interval_covers_the_truth_in_95_of_100_studies(seeds: int):
    found = np.array([stats.interval(values) for values in drawn(0.3, seeds)])
    covered = ((found[:, 0] <= 0.3) & (found[:, 1] >= 0.3)).mean()
    assert covered == pytest.approx(0.95, abs=three_errors(0.95))


# --- seeds and examples ----------------------------------------------------------------------


def sample(values: np.ndarray) -> Sample:
    """The mean over examples of one quantity. Shapes: values (seeds, examples)."""
    left_out = [jackknife.mean_without_groups(own) for own in values]
    return Sample(pd.Series(values.mean(axis=1)), pd.DataFrame(left_out))


def test_the_error_over_examples_is_that_of_their_mean():
    values = np.random.default_rng(0).normal(size=(1, jackknife.GROUPS)).repeat(5, axis=0)
    found = sample(values).estimate()
    assert found.seed_error == 0
    assert found.example_error == pytest.approx(scipy.stats.sem(values[0]))
    assert found.freedom == pytest.approx(jackknife.GROUPS - 1)


def test_without_the_examples_the_error_is_that_of_the_seeds():
    values = pd.Series([0.80, 0.83, 0.79, 0.85, 0.82])
    found = Sample(values).estimate()
    assert np.isnan(found.example_error)
    assert found.error == pytest.approx(scipy.stats.sem(values))
    assert found.freedom == 4


def test_the_degrees_of_freedom_are_those_of_welch():
    values = np.random.default_rng(1).normal(size=(5, 100))
    found = sample(values).estimate()
    parts = [found.seed_error**2, found.example_error**2]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 4 + parts[1] ** 2 / (jackknife.GROUPS - 1))
    assert found.freedom == pytest.approx(freedom)


EXAMPLES = 277


@pytest.mark.parametrize("by_example", [0.05, 0.2])
@pytest.mark.parametrize("by_seed", [0.0, 0.009, 0.025])
def test_intervals_cover_and_verdicts_err_as_promised_for_new_seeds_and_examples(
    by_seed: float, by_example: float
):
    """Two methods that are equal in the population, but not per example and not per seed."""
    studies, random, covered, wrong = 300, np.random.default_rng(2), 0, {-1: 0, 1: 0}
    for _ in range(studies):
        seeds = random.normal(0, by_seed, (2, SEEDS, 1))
        examples = random.normal(0, by_example, (2, 1, EXAMPLES))
        single = random.normal(0, 0.2, (2, SEEDS, EXAMPLES))
        ours, theirs = (sample(each) for each in seeds + examples + single)
        gaps = ours.minus(theirs)
        low, high = gaps.estimate().interval()
        covered += low <= 0 <= high
        if stats.paired_test(gaps) < 0.05:
            wrong[int(np.sign(gaps.values.mean()))] += 1
    assert covered / studies >= 0.93
    assert max(wrong.values()) / studies <= 0.025 + three_errors(0.025, studies)


def test_over_the_seeds_alone_equal_methods_look_different():
    """The fault that the error over examples mends: they differ per example, not on average."""
    random, found = np.random.default_rng(3), []
    for _ in range(200):
        examples = random.normal(0, 0.2, (2, 1, EXAMPLES))
        gaps = (examples + random.normal(0, 0.1, (2, SEEDS, EXAMPLES))).mean(axis=2)
        found.append(stats.paired_test(Sample(pd.Series(gaps[0] - gaps[1]))) < 0.05)
    assert np.mean(found) > 0.3


# --- teachers --------------------------------------------------------------------------------


def simulated(teachers: int, by_teacher: float, studies: int) -> list[stats.Estimate]:
    """Differences of no true effect: teachers and seeds crossed, single students, examples."""
    random, found = np.random.default_rng(4), []
    for _ in range(studies):
        values = random.normal(0, by_teacher, (1, teachers)) + random.normal(0, 0.01, (SEEDS, 1))
        values = values + random.normal(0, 0.01, (SEEDS, teachers))
        groups = random.normal(0, 0.03, jackknife.GROUPS)
        values = values + groups.mean()
        left_out = (groups.sum() - groups) / (len(groups) - 1) - groups.mean()
        without = values.mean(axis=1)[:, None] + left_out
        found.append(stats.estimate(values.mean(axis=1), without, values))
    return found


@pytest.mark.parametrize("by_teacher", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("teachers", [2, 3, 5])
def test_pooled_intervals_cover_and_err_as_promised_for_new_teachers(
    teachers: int, by_teacher: float
):
    found = simulated(teachers, by_teacher, 500)
    ends = np.array([one.interval() for one in found])
    assert ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean() >= 0.93
    for wrong in (ends[:, 0] > 0, ends[:, 1] < 0):
        assert wrong.mean() <= 0.025 + three_errors(0.025, len(found))


def test_the_degrees_of_freedom_of_satterthwaite_would_cover_too_seldom():
    """Why each part of the error has its own t value."""
    found, covered = simulated(2, 0.05, 500), 0
    for one in found:
        parts = [one.seed_error**2, one.example_error**2, one.teacher_error**2]
        squares = zip(parts, (SEEDS - 1, jackknife.GROUPS - 1, 1), strict=True)
        freedom = sum(parts) ** 2 / sum(part**2 / own for part, own in squares)
        covered += abs(one.mean) <= scipy.stats.t.isf(0.025, freedom) * one.error
    assert covered / len(found) < 0.93


@given(st.floats(0.001, 0.5), st.floats(0.0001, 0.5), st.floats(0.001, 0.9), st.integers(2, 6))
def test_p_of_several_teachers_is_the_level_of_the_interval_that_ends_at_zero(
    own: float, spread: float, mean: float, teachers: int
):
    found = stats.Estimate(mean, own, math.nan, 4, spread, teachers)
    assume(1e-12 < found.p < 0.999)
    low, high = found.interval(1 - found.p)
    assert (low, high) == pytest.approx((0, 2 * mean), abs=1e-6 * mean)


def test_teachers_alone_give_the_t_test_of_their_means():
    by_teacher = np.array([[0.80, 0.83, 0.79]] * 5)
    found = stats.estimate(by_teacher.mean(axis=1) - 0.7, None, by_teacher - 0.7)
    t = scipy.stats.ttest_1samp(by_teacher[0], 0.7)
    assert found.p == pytest.approx(t.pvalue)
    assert found.interval() == pytest.approx(tuple(t.confidence_interval() - np.float64(0.7)))


def test_equal_differences_of_two_teachers_are_judged_by_two_signs():
    same = pd.DataFrame(np.full((5, 2), 0.1))
    assert stats.paired_test(Sample(same.mean(axis=1), None, same)) == pytest.approx(0.5)


def test_a_seed_that_one_teacher_lacks_is_left_out():
    first = Sample(pd.Series([0.1, 0.2, 0.3]), pd.DataFrame(np.ones((3, 4))))
    second = Sample(pd.Series([0.3, 0.4], index=[0, 2]), pd.DataFrame(np.zeros((2, 4)), [0, 2]))
    found = stats.pooled([first, second])
    assert found.values.to_dict() == pytest.approx({0: 0.2, 2: 0.35})
    assert found.without is not None
    assert found.without.to_numpy().tolist() == [[0.5] * 4] * 2
    assert found.teachers is not None
    assert found.teachers.to_numpy().tolist() == [[0.1, 0.3], [0.3, 0.4]]


# --- paired tests ----------------------------------------------------------------------------


def p_of(gaps: np.ndarray) -> float:
    """p of differences whose examples are not known."""
    return stats.paired_test(Sample(pd.Series(gaps)))


def test_p_is_that_of_the_t_distribution():
    gaps = np.array([0.01, 0.02, 0.03, 0.02, 0.04])
    t = gaps.mean() / (gaps.std(ddof=1) / math.sqrt(5))
    assert p_of(gaps) == pytest.approx(t_tail(t, 4))


def test_equal_differences_are_judged_by_sign_and_not_with_certainty():
    # 0.3 − 0.2 and 0.4 − 0.3 differ in the last digits alone.
    gaps = np.array([0.3 - 0.2, 0.4 - 0.3, 0.1, 0.1, 0.1])
    assert p_of(gaps) == pytest.approx(2 * 0.5**5)
    assert p_of(np.full(6, -0.1)) == pytest.approx(2 * 0.5**6)
    assert p_of(np.zeros(5)) == 1


def test_one_difference_tests_nothing():
    assert np.isnan(p_of(np.array([0.3])))


def test_without_effect_five_in_a_hundred_studies_find_one():
    p = np.array([p_of(each) for each in drawn(0, SEEDS)])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=three_errors(0.05))


# --- several comparisons ---------------------------------------------------------------------


def test_holm_is_as_by_hand():
    # Sorted 0.01, 0.03, 0.04 by 3, 2, 1: 0.03, 0.06, 0.04, which may not fall: 0.06.
    assert stats.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert stats.holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert len(stats.holm([])) == 0


def test_holm_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    for comparisons in (1, 2, 7, 46):
        p = rng.beta(0.3, 1, comparisons)
        expected = multipletests(p, alpha=0.05, method="holm")[1]
        assert stats.holm(p) == pytest.approx(expected)


def test_what_is_not_there_yet_counts():
    found = stats.holm([0.02, math.nan, math.nan])
    assert found[0] == pytest.approx(0.06)
    assert np.isnan(found[1:]).all()


def rejected(p: list[float], level: float) -> set[int]:
    """Holm's procedure as he gives it: the smallest p first, until one is above its step."""
    order = sorted(range(len(p)), key=p.__getitem__)
    steps = [p[place] <= level / (len(p) - step) for step, place in enumerate(order)]
    return set(order[: steps.index(False)] if False in steps else order)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_a_corrected_p_is_the_level_at_which_holm_rejects(p: list[float], level: float):
    corrected = stats.holm(p)
    assume(np.abs(corrected - level).min() > 1e-9)
    assert set(np.flatnonzero(corrected < level)) == rejected(p, level)


def test_each_comparison_is_tested_at_the_level_of_its_step():
    # 0.001 is below 5 % / 4 and 0.01 below 5 % / 3; 0.03 is not below 5 % / 2, where it stops.
    found = stats.holm_confidence([0.03, 0.001, math.nan, 0.01])
    assert found == pytest.approx([1 - 0.05 / 2, 1 - 0.05 / 4, 1 - 0.05 / 2, 1 - 0.05 / 3])
    assert stats.holm_confidence([0.001]) == pytest.approx([0.95])
    assert stats.holm_confidence([0.001, 0.002]) == pytest.approx([0.975, 0.95])


def test_several_controls_together_err_in_five_of_a_hundred_studies():
    random = np.random.default_rng(1)
    ours = random.normal(size=(STUDIES, 1, SEEDS))  # one student in all six comparisons
    gaps = ours - random.normal(size=(STUDIES, 6, SEEDS))
    p = scipy.stats.ttest_1samp(gaps, 0, axis=-1).pvalue
    plain = (p < 0.05).any(axis=1).mean()
    found = np.mean([stats.holm(each).min() < 0.05 for each in p])
    assert plain > 0.1
    assert found <= 0.05 + three_errors(0.05)


# --- power -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("seeds", "comparisons"), [(5, 1), (5, 26), (12, 6)])
def test_the_detectable_effect_is_found_in_eight_of_ten_studies(seeds: int, comparisons: int):
    effect = stats.detectable_effect(seeds, comparisons)
    p = scipy.stats.ttest_1samp(drawn(effect, seeds, 8000), 0, axis=-1).pvalue
    assert (p < 0.05 / comparisons).mean() == pytest.approx(0.8, abs=three_errors(0.8, 8000))


def test_the_detectable_effect_is_that_of_statsmodels_where_that_is_defined():
    effect = stats.detectable_effect(20, 2)
    assert TTestPower().power(effect, 20, 0.025) == pytest.approx(0.8, abs=1e-4)


def test_one_seed_detects_nothing():
    assert np.isnan(stats.detectable_effect(1))
