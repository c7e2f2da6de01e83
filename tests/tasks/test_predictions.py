"""Labels and predictions as text."""

from dataclasses import replace

import numpy as np
import pytest

from sparsekd.tasks import TASKS, predictions

CLASSES = replace(TASKS["demo/sentiment"], labels=("bad", "good"))
NUMBERS = replace(TASKS["demo/similarity"], labels=())


def test_a_class_is_named_and_a_number_written():
    assert predictions.label_text(CLASSES, 1.0) == "good"
    assert predictions.label_text(NUMBERS, 3.14159) == "3.14"


def test_the_likeliest_class_is_predicted_with_its_probability():
    logits = np.log(np.array([0.2, 0.8], dtype=np.float32)) + 7

    assert predictions.predicted(CLASSES, logits) == "good"
    assert predictions.confidence_text(CLASSES, logits) == " (80.0%)"
    assert predictions.probabilities("classes", logits) == pytest.approx([0.2, 0.8])


def test_a_regression_predicts_its_number():
    logits = np.array([2.5], dtype=np.float32)

    assert predictions.predicted(NUMBERS, logits) == "2.50"
    assert predictions.confidence_text(NUMBERS, logits) == ""
