"""Distances between hidden states and between flows, against slow loops."""

import pytest
import torch

from sparsekd.errors import Incompatible
from sparsekd.knowledge.relations import every_nth, flow, flow_distance, state_distance

DRAWN = torch.Generator().manual_seed(0)
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def states(width=3):
    return torch.randn(2, 4, width, generator=DRAWN)


def test_a_student_of_three_layers_matches_every_fourth_of_twelve():
    assert every_nth(3, 12) == (4, 8, 12)
    assert every_nth(4, 4) == (1, 2, 3, 4)


@pytest.mark.parametrize("student, teacher", [(5, 12), (8, 4), (2, 3)])
def test_layers_that_do_not_divide_are_refused(student, teacher):
    with pytest.raises(Incompatible, match=f"has {teacher} layers, the student {student}"):
        every_nth(student, teacher)


def test_the_refusal_says_which_numbers_fit():
    with pytest.raises(Incompatible, match="Choose 1, 2, 3, 4, 6 or 12 layers"):
        every_nth(5, 12)


def test_a_flow_is_the_mean_product_over_real_tokens():
    first, second = states(), states()
    found = flow(first, second, MASK)
    for example, tokens in enumerate((4, 2)):
        for a in range(3):
            for b in range(3):
                products = [
                    first[example, t, a].item() * second[example, t, b].item()
                    for t in range(tokens)
                ]
                assert found[example, a, b].item() == pytest.approx(
                    sum(products) / tokens, rel=1e-5
                )


def test_the_distance_of_flows_is_the_mean_square_of_their_entries():
    student, teacher = (states(), states()), (states(), states())
    found = flow_distance(student, teacher, MASK)
    one, other = flow(*student, MASK), flow(*teacher, MASK)
    for example in range(2):
        squares = [
            (one[example, a, b].item() - other[example, a, b].item()) ** 2
            for a in range(3)
            for b in range(3)
        ]
        assert found[example].item() == pytest.approx(sum(squares) / 9, rel=1e-5)


def test_the_distance_of_states_counts_real_tokens_only():
    student = torch.tensor([[[1.0, 2.0], [0.0, 0.0]], [[3.0, 0.0], [9.0, 9.0]]])
    teacher = torch.tensor([[[1.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    mask = torch.tensor([[1, 1], [1, 0]])
    # ((0 + 4) / 2 + (1 + 1) / 2) / 2 and (9 + 0) / 2.
    assert state_distance(student, teacher, mask).tolist() == [1.5, 4.5]


def test_what_stands_in_padded_places_does_not_matter():
    first, second, third, fourth = (states() for _ in range(4))
    before = flow_distance((first, second), (third, fourth), MASK)
    apart = state_distance(first, third, MASK)
    for each in (first, second, third, fourth):
        each[1, 2:] = 1e6
    torch.testing.assert_close(flow_distance((first, second), (third, fourth), MASK), before)
    torch.testing.assert_close(state_distance(first, third, MASK), apart)


def test_equal_flows_and_states_are_at_distance_zero():
    first, second = states(), states()
    assert flow_distance((first, second), (first, second), MASK).tolist() == [0.0, 0.0]
    assert state_distance(first, first, MASK).tolist() == [0.0, 0.0]


def test_a_flow_is_in_float32_inside_the_bfloat16_of_a_training():
    drawn = torch.Generator().manual_seed(0)
    first, second = (torch.randn(2, 5, 3, generator=drawn) for _ in range(2))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    by_hand = [
        a[:n].double().T @ b[:n].double() / n for a, b, n in zip(first, second, (5, 3), strict=True)
    ]
    with torch.autocast("cpu", torch.bfloat16):
        assert (first @ first.mT).dtype == torch.bfloat16
        found = flow(first, second, mask)
    torch.testing.assert_close(found, torch.stack(by_hand).float(), rtol=1e-5, atol=1e-6)
