"""The selection split chooses; reported numbers are unbiased, and the optimism is shown."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sparsekd.studies import estimates
from sparsekd.studies.sweeps.sweep_results import Choice
from tests.studies.sweeps.sweep_results.sample_tries import (
    SEEDS,
    concluded,
    frame,
    ordinary,
    simulated,
)


def chosen(students: pd.DataFrame, metric: str = "accuracy", **more: Any) -> dict[str, Choice]:
    return concluded(students, metric, **more).choices


def test_the_selection_split_chooses_and_the_other_is_reported():
    found = chosen(frame(ordinary))
    ours = found["scores"]
    assert (ours.lam, ours.sparsity, ours.attempt) == (0.5, 0.4, 0)
    assert ours.selected == pytest.approx(0.884)
    assert ours.reported == pytest.approx(0.854)
    lucky = np.array(list(ours.values.values())) - ours.luck
    assert (ours.low, ours.high) == pytest.approx(estimates.interval(lucky))
    assert ours.values == pytest.approx({seed: 0.85 + 0.002 * seed for seed in range(5)})


def test_the_best_reported_mean_shows_what_choosing_there_would_have_claimed():
    ours = chosen(frame(ordinary))["scores"]
    assert ours.claimed == pytest.approx(0.904)
    assert ours.optimism == pytest.approx(0.05)


def test_every_kind_is_the_best_of_its_own_tries():
    found = chosen(frame(ordinary))
    tries = {kind: choice.tries for kind, choice in found.items()}
    # The student of the dense teacher is a cell to choose from: ten cells.
    assert tries == {"scores": 10, "dense": 1, "random": 3, "none": 1, "λ = 0": 3, "λ = 1": 3}
    assert math.isnan(found["dense"].lam)
    assert {found["λ = 0"].lam, found["λ = 1"].lam} == {0, 1}


def test_a_cell_that_lacks_a_seed_does_not_compete():
    students = frame(ordinary)
    lacking = (students["lam"] == 0.5) & (students["sparsity"] == 0.4) & (students["seed"] == 2)
    missing = students[lacking].drop_duplicates("run")
    missing = missing.assign(state="failed", split=None, metric=None, value=np.nan)
    ours = chosen(pd.concat([students[~lacking], missing]))["scores"]
    assert (ours.lam, ours.sparsity) != (0.5, 0.4)
    assert (ours.tries, ours.planned) == (9, 10)


def test_among_equals_the_lowest_sparsity_and_then_the_lowest_lam_is_chosen():
    def equal(ranking: str, *_: Any) -> tuple[float, float]:
        return (0.9 if ranking == "scores" else 0.5), 0.8

    assert (chosen(frame(equal))["scores"].sparsity, chosen(frame(equal))["scores"].lam) == (0.2, 0)
    assert chosen(frame(lambda *_: (0.9, 0.8)))["scores"].sparsity == 0


def test_a_lower_loss_is_chosen_and_optimism_is_still_not_negative():
    students = frame(lambda *place: tuple(-value for value in ordinary(*place)), "loss")
    ours = chosen(students, "loss")["scores"]
    assert (ours.lam, ours.sparsity) == (0.5, 0.4)
    assert ours.claimed == pytest.approx(-0.904)
    assert ours.optimism == pytest.approx(0.05)


def test_another_metric_may_choose():
    students = frame(ordinary)
    loss = frame(lambda *place: (1 - (place[1:3] == (0.0, 0.2)), 0.5), "loss")
    ours = chosen(pd.concat([students, loss]), selection_metric="loss")["scores"]
    assert (ours.lam, ours.sparsity) == (0.0, 0.2)
    assert ours.reported == pytest.approx(0.854)


def test_cells_that_are_controls_alone_are_not_chosen():
    students = frame(ordinary)
    only = (students["lam"] == 0.5).to_numpy()
    found = chosen(students.assign(chosen_from=students["chosen_from"] & ~only))
    assert found["scores"].lam != 0.5


# --- simulation ------------------------------------------------------------------------------


def test_the_reported_mean_is_unbiased_and_the_best_reported_mean_is_not():
    studies = 150
    picks = [tries.best("scores") for tries in simulated(studies, luck=0.0, seed=1)]
    error = 1 / math.sqrt(SEEDS * studies)
    assert abs(np.mean([pick.reported for pick in picks if pick])) < 3 * error
    assert np.mean([pick.claimed for pick in picks if pick]) > 10 * error
    assert np.mean([pick.optimism for pick in picks if pick]) > 10 * error


def test_luck_that_both_splits_share_is_taken_off_the_best_of_many_tries():
    picks = [tries.best("scores") for tries in simulated(100, luck=0.9, spread=0.0, seed=3)]
    single = [tries.best("none") for tries in simulated(5, luck=0.9, seed=3)]
    free = [pick.sample.values.mean() for pick in picks if pick]
    # What new seeds would not repeat; a control of one try has none of it.
    assert np.mean([pick.reported for pick in picks if pick]) > 0.3
    assert abs(np.mean(free)) < 3 / math.sqrt(SEEDS * 100)
    assert {pick.luck for pick in single if pick} == {0.0}


def test_cells_within_one_standard_error_cannot_be_told_apart():
    def worth(ranking: str, lam: float, sparsity: float, attempt: int, seed: int) -> Any:
        noise = 0.01 * ((seed + round(10 * np.nan_to_num(sparsity))) % 3 - 1)
        value = 0.8 - 0.1 * (sparsity == 0.6) + noise
        return value, value

    found = concluded(frame(worth)).alike_cells
    assert (0.0, 0.0) in found
    assert {sparsity for _, sparsity in found} == {0.0, 0.2, 0.4}
