"""Metrics against values worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks import TaskCard, find
from sparsekd.tasks.metrics import METRICS, evaluate

TWO = replace(find("glue/mrpc"), metrics=("accuracy", "f1", "mcc"))
NUMBERS = find("glue/stsb")


def logits_for(classes):
    return np.eye(2)[classes] * 2.0


def test_accuracy_f1_and_mcc_follow_the_confusion_table():
    # 3 true positives, 1 false positive, 2 false negatives, 4 true negatives.
    labels = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0])
    answers = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    scores = evaluate(TWO, logits_for(answers), labels)
    assert scores["accuracy"] == pytest.approx(0.7)
    assert scores["f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 2))
    assert scores["mcc"] == pytest.approx((3 * 4 - 1 * 2) / math.sqrt(4 * 5 * 5 * 6))


def test_f1_of_three_classes_is_the_mean_over_classes():
    labels, answers = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    # Class 0: P 1, R 1/2; class 1: P 1/3, R 1; class 2: nothing found.
    assert METRICS["f1"].function(labels, answers, 3) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_the_task_decides_which_f1_it_is_not_the_classes_that_occur():
    labels, answers = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    # Class 0: P 1/2, R 1/2; class 1: P 2/3, R 2/3.
    assert METRICS["f1"].function(labels, answers, 2) == pytest.approx(2 / 3)
    assert METRICS["f1"].function(labels, answers, 3) == pytest.approx((1 / 2 + 2 / 3) / 2)
    only_negatives = np.zeros(4, int)
    assert METRICS["f1"].function(only_negatives, only_negatives, 2) == 0.0
    assert METRICS["f1"].function(only_negatives, only_negatives, 3) == 1.0


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_f1_is_scikit_learns_whatever_classes_a_draw_of_examples_holds(classes):
    rng = np.random.default_rng(classes)
    card = replace(TWO, labels=tuple("abcd"[:classes]), metrics=("f1",))
    for present in range(1, classes + 1):
        labels, answers = rng.integers(0, present, (2, 12))
        wanted = f1_score(
            labels,
            answers,
            labels=[1] if classes == 2 else list(range(classes)),
            average="macro",
            zero_division=np.nan if classes > 2 else 0.0,
        )
        logits = np.eye(classes)[answers]
        assert evaluate(card, logits, labels)["f1"] == pytest.approx(wanted)


def test_rare_classes_weigh_as_much_as_common_ones():
    labels = np.array([0] * 8 + [1, 1])
    answers = np.array([0] * 8 + [0, 1])
    # Class 0: P 8/9, R 1; class 1: P 1, R 1/2.
    assert METRICS["macro_f1"].function(labels, answers, 2) == pytest.approx((16 / 17 + 2 / 3) / 2)
    assert METRICS["balanced_accuracy"].function(labels, answers, 3) == pytest.approx(0.75)


def test_balanced_accuracy_leaves_out_classes_without_examples_and_warns_of_nothing(recwarn):
    labels, answers = np.array([0, 0, 1]), np.array([0, 2, 1])
    assert METRICS["balanced_accuracy"].function(labels, answers, 3) == pytest.approx(0.75)
    assert not recwarn.list


def test_mean_cross_entropy_is_in_nats():
    scores = evaluate(TWO, np.array([[0.0, 0.0], [math.log(3), 0.0]]), np.array([1, 0]))
    assert scores["loss"] == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_correlations_by_hand():
    outputs, labels = np.array([[1.0], [2.0], [3.0], [10.0]]), np.array([1.0, 2.0, 3.0, 4.0])
    scores = evaluate(NUMBERS, outputs, labels)
    # Sums of products around the means 4 and 2.5: 14; 50 and 5 are the sums of squares.
    assert scores["pearson"] == pytest.approx(14 / math.sqrt(50 * 5))
    assert scores["spearman"] == pytest.approx(1.0)
    assert scores["loss"] == pytest.approx(36 / 4)


def test_constant_predictions_score_zero_without_a_warning(recwarn):
    scores = evaluate(NUMBERS, np.ones((5, 1)), np.arange(5.0))
    assert (scores["pearson"], scores["spearman"]) == (0.0, 0.0)
    one_class = evaluate(TWO, logits_for(np.zeros(4, int)), np.array([0, 1, 1, 0]))
    assert (one_class["mcc"], one_class["f1"]) == (0.0, 0.0)
    assert not recwarn.list


def test_diverged_outputs_are_refused():
    with pytest.raises(BadInput, match="NaN"):
        evaluate(TWO, np.array([[np.nan, 0.0]]), np.array([0]))


def test_outputs_of_another_shape_are_refused():
    with pytest.raises(Incompatible, match=r"\(2, 3\)"):
        evaluate(TWO, np.zeros((2, 3)), np.array([0, 1]))


# --- several labels --------------------------------------------------------------------------

LABELS = TaskCard(
    *("several", "Several", "this test", "folder", "/nowhere", ("text",), "labels"),
    labels=("a", "b", "c"),
    metrics=("micro_f1", "macro_f1", "subset_accuracy"),
    multilabel=True,
)
GOLD = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=np.float32)
LOGITS = np.array([[2.0, -1.0, -3.0], [-0.5, -2.0, -1.0], [0.5, 3.0, -2.0], [1.0, -1.0, 0.0]])


def test_the_f1_of_several_labels_and_their_subset_accuracy_follow_the_counts():
    # Predicted: a; nothing; a and b; a. A logit of 0, a probability of ½, does not apply.
    # a: 2 hits, 1 false, 0 missed; b: 1, 0, 1; c: 0, 0, 1.
    scores = evaluate(LABELS, LOGITS, GOLD)
    assert scores["micro_f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 2))
    assert scores["macro_f1"] == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)
    assert scores["subset_accuracy"] == pytest.approx(1 / 4)


def test_the_loss_of_several_labels_is_the_mean_binary_cross_entropy_of_torch():
    expected = torch.nn.BCEWithLogitsLoss()(torch.tensor(LOGITS), torch.tensor(GOLD).double())
    assert evaluate(LABELS, LOGITS, GOLD)["loss"] == pytest.approx(float(expected), rel=1e-12)
    extreme = np.array([[1000.0, -1000.0, 0.0]])
    assert evaluate(LABELS, extreme, np.array([[0.0, 1.0, 1.0]]))["loss"] == pytest.approx(
        (2000 + math.log(2)) / 3
    )


def test_no_label_anywhere_and_none_predicted_has_an_f1_of_0_and_every_subset_right():
    scores = evaluate(LABELS, np.full((2, 3), -1.0), np.zeros((2, 3)))
    assert (scores["micro_f1"], scores["subset_accuracy"]) == (0.0, 1.0)
