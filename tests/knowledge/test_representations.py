"""Distances between inner states against hand-computed values and slow loops."""

import math

import pytest
import torch

from sparsekd.knowledge import observe
from sparsekd.knowledge.representations import (
    attention_kl,
    cls_cosine,
    cls_distance,
    paired,
    score_distance,
    value_relation_kl,
)
from tests.tiny_data import padded, tiny_data

BATCH = tiny_data(4).batch(range(4))
ALL = {"attention": (1,), "scores": (1,), "values": (1,)}


def of_heads(name, student, teacher, mask):
    ours, theirs = {
        attention_kl: ("scores", "attention"),
        score_distance: ("scores", "scores"),
        value_relation_kl: ("values", "values"),
    }[name]
    return name(student.of(ours)[1], teacher.of(theirs)[1], mask)


LOSSES = pytest.mark.parametrize("loss", [attention_kl, score_distance, value_relation_kl])


def test_attention_kl_of_one_row_by_hand():
    teacher = torch.tensor([[[[0.5, 0.5], [1.0, 0.0]]]])
    student = torch.tensor([[[[0.25, 0.75], [0.5, 0.5]]]])
    first = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    scores = student.log() + 7  # a softmax does not see what it adds to a whole row
    found = attention_kl(scores, teacher, torch.ones(1, 2))
    assert found.item() == pytest.approx((first + math.log(2)) / 2)
    teacher[..., 1] = 0
    half = attention_kl(scores, teacher / teacher.sum(-1, keepdim=True), torch.tensor([[1, 0]]))
    assert half.item() == pytest.approx(0)


def test_a_student_that_is_very_wrong_still_learns():
    scores = torch.tensor([[[[40.0, 0.0]]]], requires_grad=True)
    teacher = torch.tensor([[[[0.0, 1.0]]]])
    loss = attention_kl(scores.expand(1, 1, 2, 2), teacher.expand(1, 1, 2, 2), torch.ones(1, 2))
    (slope,) = torch.autograd.grad(loss.sum(), scores)
    assert loss.item() == pytest.approx(40)
    assert slope.flatten().tolist() == pytest.approx([1, -1])


def test_heads_are_averaged_as_probabilities():
    """Two student heads, one of the teacher: the mean of the two is what is compared."""
    heads = torch.tensor([[[[0.2, 0.8]], [[0.6, 0.4]]]]).expand(1, 2, 2, 2)
    teacher = torch.tensor([[[[0.4, 0.6]]]]).expand(1, 1, 2, 2)
    assert attention_kl(heads.log(), teacher, torch.ones(1, 2)).item() == pytest.approx(0, abs=1e-6)


def test_score_distance_by_hand():
    student, teacher = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    teacher[0, 0] = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    assert score_distance(student, teacher, torch.ones(1, 2)).item() == pytest.approx(20 / 8)
    # Only the pair of the one real token with itself is left: 4, averaged over two heads.
    assert score_distance(student, teacher, torch.tensor([[1, 0]])).item() == pytest.approx(2)


def test_value_relations_agree_with_a_loop_over_heads_and_tokens(tiny):
    views = [observe(tiny(seed=seed), BATCH, ALL) for seed in (1, 2)]
    found = value_relation_kl(views[0].values[1], views[1].values[1], BATCH.attention_mask)
    for row in range(len(BATCH)):
        length = int(BATCH.attention_mask[row].sum())
        total = 0.0
        for head in range(3):
            rows = []
            for view in views:
                values = view.values[1][row, head, :length]
                rows.append(torch.softmax(values @ values.T / math.sqrt(8), -1))
            student, teacher = rows
            total += (teacher * (teacher.log() - student.log())).sum().item() / length
        assert found[row].item() == pytest.approx(total / 3, rel=1e-4)


def test_cosine_and_distance_of_cls_vectors_by_hand():
    one, other = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]])
    assert cls_cosine(one, other).item() == pytest.approx(1 - 24 / 25)
    assert cls_cosine(one, -one).item() == pytest.approx(2)
    assert cls_distance(one, other).item() == pytest.approx((0.2**2 + 0.2**2) / 2)
    assert cls_distance(one, 7 * one).item() == pytest.approx(0, abs=1e-12)


@LOSSES
def test_equal_models_are_at_distance_zero(tiny, loss):
    view = observe(tiny(), BATCH, ALL)
    found = of_heads(loss, view, view, BATCH.attention_mask)
    torch.testing.assert_close(found, torch.zeros(4), rtol=0, atol=1e-6)


@LOSSES
def test_padding_changes_nothing(tiny, loss):
    wide = padded(BATCH, 4)
    found = [
        of_heads(
            loss,
            observe(tiny(seed=1), batch, ALL),
            observe(tiny(seed=2), batch, ALL),
            batch.attention_mask,
        )
        for batch in (BATCH, wide)
    ]
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


@LOSSES
def test_what_stands_in_padded_places_does_not_matter(tiny, loss):
    """What is kept of teachers is zero there; what is computed again is not."""
    views = [observe(tiny(seed=seed), BATCH, ALL) for seed in (1, 2)]
    plain = of_heads(loss, *views, BATCH.attention_mask)
    real = BATCH.attention_mask.bool()[:, None, :, None]
    teacher = views[1]
    for kind in ALL:
        teacher.of(kind)[1].mul_(real)
    torch.testing.assert_close(of_heads(loss, *views, BATCH.attention_mask), plain)


@LOSSES
def test_different_head_counts_are_averaged(tiny, loss):
    few, many = (observe(tiny(heads=heads, seed=heads), BATCH, ALL) for heads in (2, 4))
    padded_keys = ~BATCH.attention_mask.bool()[:, None, None]

    def mean_rows(scores):
        """The mean over heads of the attention that these scores give."""
        return torch.softmax(scores.masked_fill(padded_keys, -torch.inf), -1).mean(1, True)

    def relations(view):
        values = view.values[1]
        return mean_rows(values @ values.mT / math.sqrt(values.shape[-1]))

    one_head = {
        attention_kl: lambda: (mean_rows(few.scores[1]).log(), many.attention[1].mean(1, True)),
        score_distance: lambda: (few.scores[1].mean(1, True), many.scores[1].mean(1, True)),
        value_relation_kl: lambda: (relations(few).log(), relations(many)),
    }[loss]()
    compared = score_distance if loss is score_distance else attention_kl
    expected = compared(*one_head, BATCH.attention_mask)
    found = of_heads(loss, few, many, BATCH.attention_mask)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_heads_are_paired_one_to_one_or_averaged():
    two, three = torch.rand(1, 2, 4, 4), torch.rand(1, 3, 4, 4)
    assert all(torch.equal(*pair) for pair in zip(paired(two, two), (two, two), strict=True))
    one, other = paired(two, three)
    torch.testing.assert_close(one[:, 0], two.mean(1))
    torch.testing.assert_close(other[:, 0], three.mean(1))


def test_value_relations_are_in_float32_inside_the_bfloat16_of_a_training():
    student, teacher = (
        torch.randn(1, 2, 4, 8, generator=torch.Generator().manual_seed(n)) for n in (0, 1)
    )
    known, target = (
        torch.softmax(v.double() @ v.double().mT / math.sqrt(8), -1) for v in (student, teacher)
    )
    by_hand = (target * (target / known).log()).sum(-1).mean()
    with torch.autocast("cpu", torch.bfloat16):
        found = value_relation_kl(student, teacher, torch.ones(1, 4, dtype=torch.int64))
    assert found.item() == pytest.approx(by_hand.item(), rel=1e-5)
