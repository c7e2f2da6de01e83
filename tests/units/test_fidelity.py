"""Rank statistics equal scipy's on the units themselves, and verdicts say what intervals say."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.units import fidelity, harm, rank_statistics
from sparsekd.units.ablation import MEASURES, Ablation, ranked_groups
from sparsekd.units.explain import explain
from sparsekd.units.explain_words import sentence
from sparsekd.units.scores import Scores
from tests.units.test_masking import scores

LAYERS, HEADS, NEURONS, GROUPS = 3, 4, 40, 5


def ablation(seed: int = 0, single: int | None = None, student: bool = True, **changed: Any):
    """What `ablate` could have measured on the teacher of `scores()`."""
    draws = np.random.default_rng(seed)
    arrays: dict[str, Any] = {}
    for kind in MEASURES:
        arrays[f"head_{kind}"] = draws.normal(size=(LAYERS, HEADS))
        arrays[f"group_{kind}"] = draws.normal(size=(LAYERS, GROUPS))
        if single is not None:
            arrays[f"neuron_{kind}"] = draws.normal(size=NEURONS)
    if not student:
        for name in [name for name in arrays if name.endswith("distance")]:
            arrays[name] = np.full_like(arrays[name], np.nan)
    arrays["groups"] = ranked_groups(draws.random((LAYERS, NEURONS)), GROUPS)
    arrays["dense"] = np.array([0.4, 0.9, 0.1 if student else np.nan])
    return Ablation(**(arrays | {"neuron_layer": single} | changed), provenance={"metric": "f1"})


def row(frame: Any, score: str, truth: str) -> Any:
    return frame[(frame["score"] == score) & (frame["truth"] == truth)].iloc[0]


@pytest.mark.parametrize("what", ["head", "neuron"])
@pytest.mark.parametrize("tied", [False, True])
def test_correlations_are_those_of_scipy(what, tied):
    truth, made = ablation(single=1), scores(seed=3)
    if tied:
        truth = ablation(single=1, head_task_loss=np.round(truth.head_task_loss),
                         neuron_task_loss=np.round(truth.neuron_task_loss))  # fmt: skip
    ranks = fidelity.all_rankings(made)
    frame = fidelity.table(ranks, truth, granularity=what, resamples=20)
    for name, (heads, neurons) in ranks.items():
        score = heads.ravel() if what == "head" else neurons[1]
        real = truth.head_task_loss.ravel() if what == "head" else truth.neuron_task_loss
        found = row(frame, name, "task_loss")
        assert found["spearman"] == pytest.approx(stats.spearmanr(score, real).statistic)
        assert found["kendall"] == pytest.approx(stats.kendalltau(score, real).statistic)


def test_a_resample_s_kendall_is_scipy_s_too():
    draws = np.random.default_rng(2)
    one, other = np.round(draws.normal(size=(2, 15)), 1)
    drawn = draws.integers(0, 15, (6, 15))
    found = rank_statistics.RankStatistics(one, other, 4).statistics(drawn)
    for place, units in enumerate(drawn):
        expected = stats.kendalltau(one[units], other[units]).statistic
        assert found[1, place] == pytest.approx(expected)
        expected = stats.spearmanr(one[units], other[units]).statistic
        assert found[0, place] == pytest.approx(expected)


def test_the_overlap_of_the_tops_by_hand():
    score = np.arange(8.0)
    really = np.array(
        [9.0, 0, 0, 0, 0, 0, 8.0, 7.0]
    )  # its top three: 0, 6, 7; the score's: 5, 6, 7
    found = rank_statistics.RankStatistics(score, really, 3).statistics(np.arange(8))
    assert found[2] == pytest.approx(2 / 3)


def test_the_overlap_of_equals_is_that_of_chance_not_of_their_order():
    tied, ordered = np.array([1.0, 1, 1, 1]), np.arange(4.0)
    found = rank_statistics.RankStatistics(tied, ordered, 2).statistics(np.arange(4))
    assert found[2] == pytest.approx(0.5)


def test_a_drop_of_the_metric_counts_as_harm():
    made = scores()
    heads = made.head_expressiveness / np.linalg.norm(made.head_expressiveness, axis=1)[:, None]
    truth = ablation(head_task_loss=heads, head_metric=-heads)
    frame = fidelity.table(fidelity.all_rankings(made), truth, resamples=200)
    for kind in ("task_loss", "metric"):
        found = row(frame, "E", kind)
        assert found["spearman"] == pytest.approx(1)
        assert found["top_overlap"] == 1
        assert found["verdict"] == "better than random"


def test_size_asks_whether_removal_changes_anything():
    made = scores()
    signs = np.where(np.indices((LAYERS, HEADS)).sum(axis=0) % 2, 1, -1)
    heads, _ = fidelity.all_rankings(made)["E"]
    truth = ablation(head_task_loss=signs * heads)
    by_size = fidelity.table(fidelity.all_rankings(made), truth, compared="size", resamples=20)
    by_harm = fidelity.table(fidelity.all_rankings(made), truth, resamples=20)
    assert row(by_size, "E", "task_loss")["spearman"] == pytest.approx(1)
    assert row(by_harm, "E", "task_loss")["spearman"] < 0.9


def test_a_score_that_ranks_as_ablation_does_has_an_interval_without_width():
    effect = np.random.default_rng(0).normal(size=12)
    found = rank_statistics.statistics(np.exp(effect), effect, 3, 0, 50)
    for name in ("spearman", "kendall"):
        values = [found[f"{name}{end}"] for end in ("", "_low", "_high")]
        assert values == pytest.approx([1, 1, 1])


def test_a_random_score_is_seldom_called_better():
    made, better = scores(layers=6), 0
    for seed in range(60):
        ranks = fidelity.all_rankings(made, seed=seed)["random"][0].ravel()
        really = np.random.default_rng([1, seed]).normal(size=ranks.size)
        found = rank_statistics.statistics(ranks, really, 6, 0, 200)
        better += fidelity.verdict(found) == "better than random"
    assert better <= 7  # 2.5% expected; small pools are a little bolder


def test_verdicts_follow_the_interval():
    def judged(value: float, low: float, high: float) -> str:
        return fidelity.verdict({"spearman": value, "spearman_low": low, "spearman_high": high})

    assert judged(0.3, 0.1, 0.5) == "better than random"
    assert judged(0.3, -0.1, 0.5) == "no better than random"
    assert judged(-0.3, -0.5, -0.1).startswith("worse than random")


def test_a_constant_effect_cannot_be_judged():
    truth = ablation(head_metric=np.zeros((LAYERS, HEADS)))
    found = row(fidelity.table(fidelity.all_rankings(scores()), truth, resamples=20), "E", "metric")
    assert found["verdict"].startswith("cannot be judged")
    assert np.isnan(found["spearman"])


def test_the_same_seed_gives_the_same_table():
    one, two = (
        fidelity.table(fidelity.all_rankings(scores()), ablation(), seed=4, resamples=50)
        for _ in range(2)
    )
    assert one.equals(two)


def test_without_a_student_there_is_no_distance():
    frame = fidelity.table(fidelity.all_rankings(scores()), ablation(student=False), resamples=20)
    assert set(frame["truth"]) == {"task_loss", "metric"}


def test_a_group_scores_the_sum_of_its_neurons():
    truth, made = ablation(), scores()
    ranks = fidelity.all_rankings(made)["E"]
    found = fidelity.scores_of_removals(ranks, truth, "group").reshape(LAYERS, GROUPS)
    neurons = ranks[1]
    for layer, group in np.ndindex(LAYERS, GROUPS):
        expected = neurons[layer][truth.groups[layer] == group].sum()
        assert found[layer, group] == pytest.approx(expected)


def test_every_score_of_a_fidelity_table_is_there():
    weights = {"magnitude": (np.ones((LAYERS, HEADS)), np.ones((LAYERS, NEURONS)))}
    names = list(fidelity.all_rankings(scores(), (0.5, 0.25), weights))
    assert names == ["E", "F", "K(0.5)", "K(0.25)", "magnitude", "random"]


def test_scores_from_elsewhere_are_one_ranking_or_two():
    made = scores()
    e = made.head_expressiveness, made.neuron_expressiveness
    same = Scores(e[0], e[0], e[1], e[1])
    silent = Scores(e[0], np.zeros_like(e[0]), e[1], np.zeros_like(e[1]))
    assert list(fidelity.rankings_of("conductance", same)) == ["conductance"]
    assert list(fidelity.rankings_of("conductance", silent)) == ["conductance"]
    assert list(fidelity.rankings_of("gxa", made)) == ["gxa, E", "gxa, F"]


def test_the_worst_misjudged_unit_comes_first():
    score, really = np.arange(9.0), np.arange(9.0)
    really[1] = 20
    assert fidelity.outliers(score, really)[0] == 1
    assert len(fidelity.outliers(score, really, 3)) == 3


def test_another_teacher_s_scores_are_refused():
    other = scores(layers=2)
    with pytest.raises(Incompatible, match="one teacher"):
        fidelity.table(fidelity.all_rankings(other), ablation())
    with pytest.raises(Incompatible, match="no single neurons"):
        fidelity.table(fidelity.all_rankings(scores()), ablation(), granularity="neuron")
    with pytest.raises(BadInput, match="outside"):
        fidelity.table(fidelity.all_rankings(scores()), ablation(), top=1.5)


def test_the_effect_of_a_head_of_a_neuron_and_of_a_neuron_in_a_group():
    truth = ablation(single=1)
    head = harm.of_unit(truth, "head", 2, 1)
    assert head.changes["metric"] == truth.head_metric[2, 1]
    assert head.places["metric"] == 1 + (truth.head_metric < truth.head_metric[2, 1]).sum()
    alone = harm.of_unit(truth, "neuron", 1, 7)
    assert (alone.measured, alone.neurons, alone.of) == ("neuron", 1, NEURONS)
    assert alone.changes["task_loss"] == truth.neuron_task_loss[7]
    grouped = harm.of_unit(truth, "neuron", 0, 7)
    assert (grouped.measured, grouped.neurons) == ("group", NEURONS // GROUPS)
    assert grouped.changes["distance"] == truth.group_distance[0, truth.groups[0, 7]]


def test_the_sentence_says_what_removal_did():
    truth = ablation(head_task_loss=np.arange(12.0).reshape(LAYERS, HEADS) / 100)
    found = explain(scores(), "head", 1, 2, MaskParams(), truth)
    assert "removing it alone raises the task loss by 0.06 (number 6 of 12" in sentence(found)
    found = explain(scores(), "neuron", 0, 7, MaskParams(), truth)
    assert "removing the 8 neurons of its group" in sentence(found)
