"""The delayed reward of teacher selection, and the agreement of its choices, by hand."""

import math

import numpy as np
import pytest
import torch

from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.methods.choice_agreement import ChoiceAgreement, overlap
from sparsekd.methods.held_out_reward import HeldOutReward, window_ends
from sparsekd.methods.teacher_policy import TeacherPolicy

CPU = torch.device("cpu")
STATES = torch.tensor([[[1.0, 0.0], [0.5, 2.0]], [[-0.5, 3.0], [0.0, 1.0]]])  # two instances
ACTIONS = torch.tensor([[1.0, 0.0], [1.0, 1.0]])


def rewarded(key=5, width=2, rewards=4, **values):
    params = TeacherSelectionParams(rewards=rewards, **values)
    policy = TeacherPolicy(2, width, params.selector_rate, CPU, params.bias_rate)
    return HeldOutReward(params, policy, pretrained=2, steps=10, key=key)


def test_windows_divide_the_steps_after_the_pre_training():
    assert window_ends(2, 10, 4) == (1, 3, 5, 7, 9)
    assert window_ends(2, 10, 3) == (1, 3, 6, 9)
    assert window_ends(9, 10, 100) == (8, 9)


def test_each_window_draws_its_biases_anew_and_a_resumed_one_draws_them_again():
    one, again = rewarded(), rewarded()
    drawn = []
    for step in (1, 3):
        one.start(step, 1.0)
        again.start(step, 1.0)
        assert torch.equal(one.policy.offset, again.policy.offset)
        drawn.append(one.policy.offset)
    assert len({float(each) for pair in drawn for each in pair}) == 4
    many = []
    for step in range(2000):
        one.start(step, 1.0)
        many.append(one.policy.offset.clone())
    many = torch.stack(many)
    assert many.mean().abs() < 0.05
    assert many.std().item() == pytest.approx(1.0, rel=0.05)


def test_the_policy_moves_towards_what_was_done_before_the_loss_fell_more_than_usual():
    reward, seen = rewarded(), []
    reward.start(1, 1.0)
    reward.add(STATES, ACTIONS)
    assert reward.end(3, 0.9) == pytest.approx((0.1, 0.0))  # there is nothing to compare it with
    assert not reward.policy.bias.any()
    offset = reward.policy.offset.clone()
    for row in range(2):  # in two batches
        reward.add(STATES[row : row + 1], ACTIONS[row : row + 1])
    odds = offset.tolist()
    shares = [1 / (1 + math.exp(-each)) for each in odds]
    for teacher in range(2):
        for place in range(2):
            score = sum(
                (ACTIONS[row, teacher].item() - shares[teacher])
                * STATES[row, teacher, place].item()
                for row in range(2)
            )
            seen.append(score)
    gain, baseline = reward.end(5, 0.6)
    assert (gain, baseline) == pytest.approx((0.3, 0.1))
    # Adam's first step has the length of its rate, in the direction of each score.
    assert reward.policy.bias.tolist() == pytest.approx([math.copysign(0.1, each) for each in odds])
    wanted = [math.copysign(0.02, each) for each in seen]
    assert reward.policy.weight.flatten().tolist() == pytest.approx(wanted, rel=1e-4)


def test_a_window_with_less_than_the_usual_gain_moves_it_away():
    reward = rewarded()
    reward.start(1, 1.0)
    reward.end(3, 0.8)
    away = reward.policy.offset.clone()
    reward.end(5, 0.75)
    assert torch.equal(reward.policy.bias.sign(), -away.sign())


def test_a_teacher_that_helps_on_other_examples_is_selected_whoever_is_right_on_the_instance():
    """By construction the held-out loss falls with the share of teacher 2 in a window."""
    reward = rewarded(width=1, rewards=100, exploration=1.0)
    states, drawn = torch.zeros(64, 2, 1), torch.Generator().manual_seed(0)
    loss = 100.0
    reward.start(1, loss)
    for step in range(100):
        odds = reward.policy.probabilities(states)
        actions = (torch.rand(64, 2, generator=drawn) < odds).float()
        reward.add(states, actions)
        loss -= 0.2 * (actions[:, 1] - actions[:, 0]).mean().item()
        loss += 0.02 * torch.randn((), generator=drawn).item()
        reward.end(2 + step, loss)
    first, second = reward.policy.probabilities(states[:1], exploring=False)[0]
    assert second > 0.8
    assert first < 0.2


def test_an_overlap_is_one_minus_the_total_variation():
    weights = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    others = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.5, 0.25, 0.25]])
    assert overlap(weights, others).tolist() == pytest.approx([0.0, 1.0, 0.7])


def test_agreement_is_over_labelled_instances_with_the_teacher_of_the_smallest_loss():
    agreement = ChoiceAgreement(2, CPU)
    assert agreement.facts() == {}
    losses = torch.tensor([[0.1, 2.0], [3.0, 0.2], [0.1, 0.3]])
    labelled = torch.tensor([True, True, False])
    agreement.add(torch.tensor([[0.5, 0.5], [1.0, 0.0], [1.0, 0.0]]), losses, labelled)
    # with the oracle: 0.5 and 0; with equal weights: 1 and 0.5
    assert agreement.facts() == pytest.approx({"oracle": 0.25, "equal": 0.75, "chance": 0.5})
    agreement.add(torch.tensor([[1.0, 0.0]] * 3), losses, labelled)
    assert agreement.facts() == pytest.approx({"oracle": 1.5 / 4, "equal": 2.5 / 4, "chance": 0.5})


def test_reward_one_is_the_oracle_in_disguise_for_two_classes():
    """The best subset after a step on the student's own logits is the teacher of least loss."""
    from sparsekd.methods.teacher_rewards import Instances, look_ahead, reward, targets_of

    drawn = np.random.default_rng(0)
    count, params = 200, TeacherSelectionParams(reward="r1")
    student, teachers = (
        torch.from_numpy(drawn.normal(size=shape).astype(np.float32))
        for shape in ((count, 2), (count, 3, 2))
    )
    labels, known = torch.from_numpy(drawn.integers(0, 2, count)), torch.ones(count).bool()
    seen = Instances(
        student,
        teachers,
        labels,
        targets_of(teachers, labels, known),
        student[:, 0],
        np.arange(count),
        known,
    )
    best = torch.stack(
        [
            reward(look_ahead(seen, weights, params), seen, weights, params)
            for weights in torch.eye(3)[:, None].expand(3, count, 3)
        ]
    ).argmax(0)
    assert torch.equal(best, seen.losses().argmin(-1))
