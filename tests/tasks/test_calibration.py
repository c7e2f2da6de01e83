"""Calibration by hand, against simulations, and before and after a temperature."""

import numpy as np
import pytest

from sparsekd.tasks import calibration, find

CARD = find("glue/mrpc")


def logits_of(probabilities: list[list[float]]) -> np.ndarray:
    return np.log(np.array(probabilities)) + 3.0


def test_the_error_by_hand() -> None:
    # Two examples at 0.9 (one right), one at 0.6 (right): (2·|0.9 − 0.5| + |0.6 − 1|) / 3 = 0.4.
    logits = logits_of([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])

    sure, right = calibration.confidences(CARD, logits, np.array([0, 0, 1]))
    bins = calibration.bins(sure, right)

    assert calibration.error(sure, right) == pytest.approx(0.4)
    assert bins[["bin", "examples"]].to_numpy().tolist() == [[6, 1], [9, 2]]
    np.testing.assert_allclose(bins["accuracy"], [1, 0.5])
    np.testing.assert_allclose(bins["confidence"], [0.6, 0.9])


def test_a_calibrated_model_shows_the_chance_error() -> None:
    drawn = np.random.default_rng(0)
    sure = drawn.uniform(0.5, 1, 300)

    errors = [calibration.error(sure, drawn.random(300) < sure) for _ in range(400)]

    assert calibration.chance_error(sure) == pytest.approx(np.mean(errors), rel=0.05)


def test_a_temperature_undoes_what_made_a_calibrated_model_too_sure() -> None:
    drawn = np.random.default_rng(1)
    chances = drawn.uniform(0.05, 0.95, 100_000)
    labels = (drawn.random(100_000) < chances).astype(int)
    calibrated = np.log(np.stack([1 - chances, chances], axis=1))

    fitted = calibration.fitted_temperature(CARD, 3 * calibrated, labels)

    assert fitted == pytest.approx(3, rel=0.03)
    before, after = (
        calibration.error(*calibration.confidences(CARD, logits, labels))
        for logits in (3 * calibrated, 3 * calibrated / fitted)
    )
    assert before > 0.1
    assert after < 0.02


def test_a_model_without_errors_is_made_as_sure_as_the_bound_allows() -> None:
    labels = np.array([0, 1, 1])

    fitted = calibration.fitted_temperature(CARD, np.eye(2)[labels], labels)

    assert fitted == pytest.approx(calibration.TEMPERATURES[0], rel=0.01)
