"""Calibration by hand."""

import numpy as np
import pytest

from pages.parts.compare import model_quality


def test_calibration_error_by_hand() -> None:
    # Two examples at 0.9 (one right), one at 0.6 (right): (2·|0.9 − 0.5| + |0.6 − 1|) / 3 = 0.4.
    logits = np.log(np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])) + 3.0

    bins, error = model_quality.reliability(logits, np.array([0, 0, 1]))

    assert error == pytest.approx(0.4)
    assert list(bins["examples"]) == [1, 2]
