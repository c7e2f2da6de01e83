"""Intervals and p values of means: against textbook formulas, and by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy
from hypothesis import assume, given
from hypothesis import strategies as st

from sparsekd.studies import estimates, stats
from sparsekd.studies.estimates import Sample
from sparsekd.tasks import jackknife
from tests.studies.test_stats import SEEDS, drawn, three_errors

# --- intervals -------------------------------------------------------------------------------


def test_the_t_interval_is_the_textbook_one():
    values = np.array([0.80, 0.83, 0.79, 0.85, 0.82])
    half = 2.7764451 * np.std(values, ddof=1) / math.sqrt(5)  # the table's t of 4 degrees, 97.5%
    assert estimates.interval(values) == pytest.approx((0.818 - half, 0.818 + half))


def test_what_lies_outside_the_possible_values_is_cut_off():
    values = np.array([0.98, 0.90])
    half = 12.7062047 * 0.04  # the table's t of 1 degree, times the standard error
    assert estimates.interval(values, bounds=(0, 1)) == pytest.approx((0.94 - half, 1))
    assert estimates.interval(1 - values, bounds=(0, 1)) == pytest.approx((0, 0.06 + half))
    assert all(np.isnan(estimates.interval(values[:1], bounds=(0, 1))))


def test_one_value_and_equal_values_have_no_interval():
    assert all(np.isnan(estimates.interval(np.array([0.5]))))
    assert all(np.isnan(estimates.interval(np.full(5, 0.5))))


@pytest.mark.parametrize("seeds", [5, 10])
def test_the_t_interval_covers_the_truth_in_95_of_100_studies(seeds: int):
    found = np.array([estimates.interval(values) for values in drawn(0.3, seeds)])
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


def simulated(teachers: int, by_teacher: float, studies: int) -> list[estimates.Estimate]:
    """Differences of no true effect: teachers and seeds crossed, single students, examples."""
    random, found = np.random.default_rng(4), []
    for _ in range(studies):
        values = random.normal(0, by_teacher, (1, teachers)) + random.normal(0, 0.01, (SEEDS, 1))
        values = values + random.normal(0, 0.01, (SEEDS, teachers))
        groups = random.normal(0, 0.03, jackknife.GROUPS)
        values = values + groups.mean()
        left_out = (groups.sum() - groups) / (len(groups) - 1) - groups.mean()
        without = values.mean(axis=1)[:, None] + left_out
        found.append(estimates.estimate(values.mean(axis=1), without, values))
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
    found = estimates.Estimate(mean, own, math.nan, 4, spread, teachers)
    assume(1e-9 < found.p < 0.999)  # below, 1 − p is too rough
    low, high = found.interval(1 - found.p)
    assert (low, high) == pytest.approx((0, 2 * mean), abs=1e-6 * mean)


def test_teachers_alone_give_the_t_test_of_their_means():
    by_teacher = np.array([[0.80, 0.83, 0.79]] * 5)
    found = estimates.estimate(by_teacher.mean(axis=1) - 0.7, None, by_teacher - 0.7)
    t = scipy.stats.ttest_1samp(by_teacher[0], 0.7)
    assert found.p == pytest.approx(t.pvalue)
    assert found.interval() == pytest.approx(tuple(t.confidence_interval() - np.float64(0.7)))


def test_equal_differences_of_two_teachers_are_judged_by_two_signs():
    same = pd.DataFrame(np.full((5, 2), 0.1))
    assert stats.paired_test(Sample(same.mean(axis=1), None, same)) == pytest.approx(0.5)


def test_a_seed_that_one_teacher_lacks_is_left_out():
    first = Sample(pd.Series([0.1, 0.2, 0.3]), pd.DataFrame(np.ones((3, 4))))
    second = Sample(pd.Series([0.3, 0.4], index=[0, 2]), pd.DataFrame(np.zeros((2, 4)), [0, 2]))
    found = estimates.pooled([first, second])
    assert found.values.to_dict() == pytest.approx({0: 0.2, 2: 0.35})
    assert found.without is not None
    assert found.without.to_numpy().tolist() == [[0.5] * 4] * 2
    assert found.teachers is not None
    assert found.teachers.to_numpy().tolist() == [[0.1, 0.3], [0.3, 0.4]]
