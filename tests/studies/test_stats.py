"""Tests and intervals: against independent formulas, and by simulation with a known effect."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special
from statsmodels.stats.multitest import multipletests

from sparsekd.studies import stats

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


def test_one_value_has_no_interval_and_equal_values_have_one_of_no_width():
    assert all(np.isnan(stats.mean_interval(np.array([0.5]))))
    assert stats.mean_interval(np.full(5, 0.5)) == (0.5, 0.5)
    assert stats.mean_interval(np.full(40, 0.5)) == (0.5, 0.5)


def test_few_values_have_the_t_interval_and_many_the_bootstrap():
    values = drawn(0, 30, 1)[0]
    assert stats.mean_interval(values[:29]) == stats.interval(values[:29])
    assert stats.mean_interval(values) == stats.bootstrap_interval(values)
    assert stats.mean_interval(values) == stats.mean_interval(values)


@pytest.mark.parametrize("seeds", [5, 10])
def test_the_t_interval_covers_the_truth_in_95_of_100_studies(seeds: int):
    found = np.array([stats.interval(values) for values in drawn(0.3, seeds)])
    covered = ((found[:, 0] <= 0.3) & (found[:, 1] >= 0.3)).mean()
    assert covered == pytest.approx(0.95, abs=three_errors(0.95))


def test_the_bootstrap_interval_covers_the_truth_where_it_is_used():
    studies = 300
    values = drawn(0.3, stats.BOOTSTRAP_FROM, studies)
    found = np.array([stats.bootstrap_interval(each) for each in values])
    covered = ((found[:, 0] <= 0.3) & (found[:, 1] >= 0.3)).mean()
    assert covered == pytest.approx(0.94, abs=three_errors(0.94, studies))


# --- paired tests ----------------------------------------------------------------------------


def test_p_is_that_of_the_t_distribution():
    gaps = np.array([0.01, 0.02, 0.03, 0.02, 0.04])
    t = gaps.mean() / (gaps.std(ddof=1) / math.sqrt(5))
    assert stats.paired_test(gaps) == pytest.approx(t_tail(t, 4))


def test_many_studies_at_once_are_tested_as_one_by_one():
    values = drawn(0.5, SEEDS, 20)
    together = stats.paired_test(values)
    assert together == pytest.approx([float(stats.paired_test(each)) for each in values])


def test_equal_differences_are_judged_by_sign_and_not_with_certainty():
    # 0.3 − 0.2 and 0.4 − 0.3 differ in the last digits alone.
    gaps = np.array([0.3 - 0.2, 0.4 - 0.3, 0.1, 0.1, 0.1])
    assert stats.paired_test(gaps) == pytest.approx(2 * 0.5**5)
    assert stats.paired_test(np.full(6, -0.1)) == pytest.approx(2 * 0.5**6)
    assert stats.paired_test(np.zeros(5)) == 1


def test_one_difference_tests_nothing():
    assert np.isnan(stats.paired_test(np.array([0.3])))


def test_without_effect_five_in_a_hundred_studies_find_one():
    p = stats.paired_test(drawn(0, SEEDS))
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
    p = stats.paired_test(ours - random.normal(size=(STUDIES, 6, SEEDS)))
    plain = (p < 0.05).any(axis=1).mean()
    found = np.mean([stats.holm(each).min() < 0.05 for each in p])
    assert plain > 0.1
    assert found <= 0.05 + three_errors(0.05)


# --- how many seeds --------------------------------------------------------------------------


@pytest.mark.parametrize("comparisons", [1, 6])
@pytest.mark.parametrize("effect", [0.6, 1.2])
def test_so_many_seeds_find_the_effect_in_eight_of_ten_studies(effect: float, comparisons: int):
    exact = np.array([-1.0, 1.0, -1.0, 1.0, 0.0])  # spread 1, then moved by the effect
    needed = int(stats.needed_seeds(exact + effect, comparisons))
    level = 0.05 / comparisons
    power = (stats.paired_test(drawn(effect, needed, 8000)) < level).mean()
    fewer = (stats.paired_test(drawn(effect, needed - 1, 8000)) < level).mean()
    assert power >= 0.8 - three_errors(0.8, 8000)
    assert fewer < 0.8 + three_errors(0.8, 8000)
    assert power < 0.87  # not many more than needed


def test_no_difference_needs_infinitely_many_and_a_clear_one_the_least():
    assert math.isinf(stats.needed_seeds(np.zeros(5)))
    assert math.isinf(stats.needed_seeds(np.array([-1, 1, -1, 1, 0.0]) + 0.01))
    assert stats.needed_seeds(np.array([9.0, 10.0, 11.0])) == stats.LEAST_SEEDS
    assert np.isnan(stats.needed_seeds(np.array([0.1])))


def test_equal_differences_need_as_many_as_the_sign_test_does():
    needed = int(stats.needed_seeds(np.full(5, 0.1)))
    assert needed == 6
    assert stats.paired_test(np.full(needed, 0.1)) < 0.05
    assert stats.paired_test(np.full(needed - 1, 0.1)) > 0.05


def test_a_worse_student_needs_as_many_as_a_better_one():
    gaps = np.array([-1.0, 1.0, -1.0, 1.0, 0.0]) + 0.7
    assert stats.needed_seeds(gaps) == stats.needed_seeds(-gaps)
