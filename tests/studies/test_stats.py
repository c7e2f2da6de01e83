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
from sparsekd.studies.estimates import Sample

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
    # 0.001 is below 5% / 4 and 0.01 below 5% / 3; 0.03 is not below 5% / 2, where it stops.
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
