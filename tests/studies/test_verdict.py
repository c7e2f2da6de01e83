"""The rule of verdicts: paired, corrected for all that is planned, interval and words agreeing."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from sparsekd.studies import verdict
from sparsekd.studies.estimates import Sample
from sparsekd.studies.verdict import Verdict

GAPS = [0.01, 0.02, 0.03, 0.02, 0.04]
NOISE = [0.05, -0.06, 0.02, -0.03, 0.01]


def judged(
    gaps: dict[str, list[float]], planned: int = 0, metric: str = "accuracy"
) -> dict[str, Verdict]:
    """Verdicts on differences to a control whose seeds are far apart."""
    pairs = {}
    for name, each in gaps.items():
        control = pd.Series([0.1 * seed for seed in range(len(each))], dtype=float)
        pairs[name] = (Sample(control + each), Sample(control))
    return verdict.verdicts(pairs, [*gaps, *range(planned - len(gaps))], metric)


def one(gaps: list[float], planned: int = 1, metric: str = "accuracy") -> Verdict:
    return judged({"it": gaps}, planned, metric)["it"]


def test_a_clear_difference_is_better_or_worse_by_the_sign_that_the_metric_wants():
    assert one(GAPS).words == "better"
    assert one([-gap for gap in GAPS]).words == "worse"
    assert one(GAPS, metric="loss").words == "worse"
    assert one([-gap for gap in GAPS], metric="loss").words == "better"
    assert (one(GAPS).wins, one(GAPS, metric="loss").wins) == (5, 0)


def test_five_seeds_that_gain_the_same_are_no_evidence_of_certainty():
    found = one([0.01] * 5)
    assert found.p == pytest.approx(2 * 0.5**5)
    assert found.verdict == "inconclusive"
    assert "sign test" in found.reason
    assert math.isnan(found.low)
    assert one([0.01] * 6).verdict == "better"


def test_fewer_than_five_seeds_decide_nothing_however_clear():
    found = one([0.5, 0.51, 0.52, 0.53])
    assert found.words == "inconclusive: 4 of at least 5 seeds"
    assert math.isnan(found.p_corrected)
    assert one([0.5]).words == "inconclusive: 1 of at least 5 seeds"
    assert one([]).words == "inconclusive: 0 of at least 5 seeds"


def test_a_seed_that_one_side_lacks_is_left_out():
    ours, theirs = pd.Series({0: 0.9, 1: 0.8, 3: 0.7}), pd.Series({1: 0.7, 2: 0.1, 3: 0.5})
    found = verdict.verdicts({"it": (Sample(ours), Sample(theirs))}, ["it"], "accuracy")["it"]
    assert found.seeds == 2
    assert found.difference == pytest.approx(0.15)


def test_planned_comparisons_that_are_not_finished_count():
    alone, among = one(GAPS), one(GAPS, planned=7)
    assert among.p_corrected == pytest.approx(7 * alone.p_corrected)
    assert (alone.verdict, among.verdict) == ("better", "inconclusive")
    assert among.reason == "not significant after correction for 7 comparisons"


def test_a_comparison_of_few_seeds_counts_as_unfinished():
    found = judged({"it": GAPS, "early": [0.5, 0.51]})
    assert found["it"].p_corrected == pytest.approx(2 * found["it"].p)


def test_the_reason_says_why_it_is_inconclusive():
    assert one(NOISE).reason == "not significant"
    assert one([0.0] * 5).reason == "no difference in any seed"


def test_the_interval_is_the_textbook_one_at_the_level_of_its_step():
    found = judged({"clear": [0.2, 0.21, 0.22, 0.2, 0.21], "it": GAPS, "noise": NOISE})
    # Three comparisons: 5% / 3 for the clearest, 5% / 2 for the next, which is significant too.
    assert [found[name].confidence for name in found] == pytest.approx(
        [1 - 0.05 / 3, 1 - 0.05 / 2, 0.95]
    )
    half = found["it"].high - found["it"].difference
    t = half / (np.std(GAPS, ddof=1) / math.sqrt(5))
    tail = special.betainc(4 / 2, 0.5, 4 / (4 + t**2))  # two-sided, without scipy.stats
    assert tail == pytest.approx(0.025)


def test_no_interval_holds_impossible_differences():
    found = judged({"wide": [-0.9, 0.8]})["wide"]
    assert (found.low, found.high) == (-1, 1)  # ± 11 by the table's t of 1 degree


@given(
    st.lists(st.lists(st.floats(-1, 1), min_size=5, max_size=8), min_size=1, max_size=4),
    st.integers(0, 3),
)
def test_the_interval_excludes_zero_exactly_where_there_is_a_verdict(
    gaps: list[list[float]], unfinished: int
):
    names = {str(number): each for number, each in enumerate(gaps)}
    for found in judged(names, planned=len(gaps) + unfinished).values():
        if math.isnan(found.low) or min(abs(found.low), abs(found.high)) < 1e-9:
            continue
        assert (found.verdict != "inconclusive") == (found.low > 0 or found.high < 0)
        assert found.low <= found.difference <= found.high


def test_without_effect_a_comparison_of_six_variants_errs_in_five_of_a_hundred():
    studies, drawn = 150, np.random.default_rng(1)
    wrong = 0
    for _ in range(studies):
        values = pd.DataFrame(drawn.normal(size=(5, 7)))
        pairs = {name: (Sample(values[name]), Sample(values[0])) for name in range(1, 7)}
        found = verdict.verdicts(pairs, pairs, "accuracy").values()
        wrong += any(each.verdict != "inconclusive" for each in found)
    assert wrong / studies <= 0.05 + 3 * math.sqrt(0.0475 / studies)


# --- tables and words ------------------------------------------------------------------------


def test_a_table_has_a_row_per_comparison():
    found = verdict.table(judged({"a": GAPS, "b": NOISE}), "control", str.upper)
    assert found[["control", "what", "words"]].to_numpy().tolist() == [
        ["a", "A", "better"],
        ["b", "B", "inconclusive: not significant"],
    ]
    assert list(verdict.table({}, "control", str)) == list(found)


def test_evidence_names_only_what_is_known():
    assert verdict.evidence(one([0.5])) == "1 seed"
    assert verdict.evidence(one([0.01] * 5)) == "5 seeds, corrected p = 0.062"
    words = verdict.evidence(one(GAPS))
    interval = "95% interval +0.0098 to +0.0382 for new seeds, on these examples and with this"
    assert words.startswith(f"{interval} teacher, 5 seeds, corrected p = 0.0")


def test_a_verdict_with_the_examples_is_for_new_ones_too():
    values = pd.DataFrame(np.random.default_rng(0).normal(0.1, 0.1, (5, 25)))
    ours = Sample(values.mean(axis=1), values)
    found = verdict.verdicts({"it": (ours, Sample(0 * ours.values, 0 * values))}, [], "accuracy")
    assert "for new seeds and examples, with this teacher" in verdict.evidence(found["it"])
    low, high = ours.estimate().interval()
    assert (found["it"].low, found["it"].high) == pytest.approx((low, high))
