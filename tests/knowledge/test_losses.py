"""Losses by hand on three numbers."""

import math

import pytest
import torch

from sparsekd.knowledge.losses import (
    binary_kl,
    kl,
    soft_binary_cross_entropy,
    soft_cross_entropy,
    squared_error,
    task_loss,
)

STUDENT = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 2.0]])
TEACHER = torch.tensor([[2.0, 0.0, 0.0], [-1.0, 3.0, 1.0]])


def softmax(row, temperature):
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def test_the_task_loss_is_minus_the_log_probability_of_the_gold_class():
    by_hand = [-math.log(softmax([1, 0, -1], 1)[0]), -math.log(softmax([0.5, 0.5, 2], 1)[2])]
    found = task_loss(STUDENT, torch.tensor([0, 2]))
    torch.testing.assert_close(found, torch.tensor(by_hand))


def test_the_task_loss_of_a_number_is_the_squared_difference():
    found = task_loss(torch.tensor([[3.0], [1.0], [-2.0]]), torch.tensor([1.0, 1.5, -2.0]))
    assert found.tolist() == [4.0, 0.25, 0.0]


def test_soft_cross_entropy_by_hand():
    temperature = 2.0
    by_hand = [
        -(temperature**2)
        * sum(
            p * math.log(q)
            for p, q in zip(softmax(t, temperature), softmax(s, temperature), strict=True)
        )
        for s, t in zip(STUDENT.tolist(), TEACHER.tolist(), strict=True)
    ]
    found = soft_cross_entropy(STUDENT, TEACHER, temperature)
    torch.testing.assert_close(found, torch.tensor(by_hand))


def test_kl_by_hand():
    by_hand = [
        9 * sum(p * math.log(p / q) for p, q in zip(softmax(t, 3), softmax(s, 3), strict=True))
        for s, t in zip(STUDENT.tolist(), TEACHER.tolist(), strict=True)
    ]
    torch.testing.assert_close(kl(STUDENT, TEACHER, 3.0), torch.tensor(by_hand))


def test_kl_is_zero_where_student_and_teacher_are_equal():
    assert kl(TEACHER, TEACHER, 2.0).tolist() == [0.0, 0.0]


def test_soft_cross_entropy_of_equals_is_the_teachers_entropy():
    entropy = [-4 * sum(p * math.log(p) for p in softmax(row, 2)) for row in TEACHER.tolist()]
    torch.testing.assert_close(soft_cross_entropy(TEACHER, TEACHER, 2.0), torch.tensor(entropy))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 7.0])
def test_both_soft_losses_give_the_student_the_same_gradient(temperature):
    gradients = []
    for loss in (soft_cross_entropy, kl):
        student = STUDENT.clone().requires_grad_()
        gradients += torch.autograd.grad(loss(student, TEACHER, temperature).sum(), student)
    torch.testing.assert_close(gradients[0], gradients[1])
    by_hand = temperature * (
        torch.tensor([softmax(row, temperature) for row in STUDENT.tolist()])
        - torch.tensor([softmax(row, temperature) for row in TEACHER.tolist()])
    )
    torch.testing.assert_close(gradients[0], by_hand)


def test_the_two_soft_losses_give_the_teacher_different_gradients():
    gradients = []
    for loss in (soft_cross_entropy, kl):
        teacher = TEACHER.clone().requires_grad_()
        gradients += torch.autograd.grad(loss(STUDENT, teacher, 2.0).sum(), teacher)
    assert (gradients[0] - gradients[1]).abs().max() > 0.1


def test_the_squared_error_is_averaged_over_outputs_not_over_examples():
    found = squared_error(torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0]] * 2))
    assert found.tolist() == [5.0, 0.0]


def test_half_precision_logits_are_summed_in_full_precision():
    assert soft_cross_entropy(STUDENT.bfloat16(), TEACHER.bfloat16(), 2.0).dtype == torch.float32


# --- several labels --------------------------------------------------------------------------


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def test_the_task_loss_of_several_labels_is_torchs_mean_over_labels():
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    expected = torch.nn.BCEWithLogitsLoss(reduction="none")(STUDENT, labels).mean(-1)
    torch.testing.assert_close(task_loss(STUDENT, labels), expected)


def test_the_soft_loss_of_several_labels_by_hand():
    temperature = 2.0
    by_hand = [
        -(temperature**2)
        / 3
        * sum(
            p * math.log(sigmoid(s / temperature)) + (1 - p) * math.log(sigmoid(-s / temperature))
            for s, p in ((s, sigmoid(t / temperature)) for s, t in zip(one, other, strict=True))
        )
        for one, other in zip(STUDENT.tolist(), TEACHER.tolist(), strict=True)
    ]
    found = soft_binary_cross_entropy(STUDENT, TEACHER, temperature)
    torch.testing.assert_close(found, torch.tensor(by_hand))


def test_the_kl_of_several_labels_is_the_soft_loss_without_the_teachers_entropy():
    entropy = soft_binary_cross_entropy(TEACHER, TEACHER, 3.0)
    expected = soft_binary_cross_entropy(STUDENT, TEACHER, 3.0) - entropy
    torch.testing.assert_close(binary_kl(STUDENT, TEACHER, 3.0), expected)
    assert binary_kl(TEACHER, TEACHER, 3.0).abs().max() < 1e-6
    assert binary_kl(STUDENT * 500, -STUDENT * 500, 1.0).isfinite().all()
