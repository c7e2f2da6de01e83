"""Vanilla distillation against the formula of its source."""

import math

import pytest
import torch

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.knowledge import Knowledge, observe
from sparsekd.methods import BatchOutputs, Setup, TrainingProgress
from sparsekd.methods.fine_tuning import FineTuning
from sparsekd.methods.vanilla import Vanilla
from tests.tiny_data import tiny_card, tiny_data

START = TrainingProgress(0, 10, 0)
STUDENT = torch.tensor([[0.2, -0.4], [1.5, 0.3], [0.0, 0.0]])
TEACHER = torch.tensor([[1.0, 0.0], [-2.0, 2.0], [3.0, 0.5]])
LABELS = torch.tensor([0, 1, 1])


def batch_outputs(student, teacher, labels):
    mask = torch.ones(len(labels), 3, dtype=torch.int64)
    return BatchOutputs(Knowledge(student), (Knowledge(teacher),), labels, mask, labels.numpy())


def test_the_default_is_the_published_loss():
    terms = Vanilla(VanillaParams()).loss(batch_outputs(STUDENT, TEACHER, LABELS), START)
    soft = torch.softmax(TEACHER / 2, 1) * torch.log_softmax(STUDENT / 2, 1)
    hard = torch.log_softmax(STUDENT, 1)[torch.arange(3), LABELS]
    published = 0.5 * (4 * -soft.sum(1).mean() - hard.mean())
    torch.testing.assert_close((terms["soft"] + terms["hard"]).mean(), published)


def test_a_regression_is_half_way_to_teacher_and_label():
    terms = Vanilla(VanillaParams()).loss(
        batch_outputs(torch.tensor([[2.0]]), torch.tensor([[1.0]]), torch.tensor([5.0])), START
    )
    assert {name: term.item() for name, term in terms.items()} == {"soft": 0.5, "hard": 4.5}


def test_an_alpha_of_zero_has_the_loss_and_gradient_of_fine_tuning():
    gradients = []
    for method in (Vanilla(VanillaParams(alpha=0)), FineTuning(FineTuningParams())):
        student = STUDENT.clone().requires_grad_()
        loss = sum(method.loss(batch_outputs(student, TEACHER, LABELS), START).values())
        gradients.append(torch.autograd.grad(loss.mean(), student)[0])
    assert torch.equal(*gradients)


def test_the_loss_of_a_student_equal_to_its_teacher_is_the_teachers_entropy(tiny):
    model, batch = tiny(), tiny_data(6).batch(range(6))
    view = observe(model, batch)
    terms = Vanilla(VanillaParams(alpha=1)).loss(
        BatchOutputs(view, (view,), batch.labels, batch.attention_mask, batch.rows), START
    )
    p = torch.softmax(view.logits / 2, 1).tolist()
    entropy = [-4 * sum(share * math.log(share) for share in row) for row in p]
    torch.testing.assert_close(terms["soft"].tolist(), entropy, rtol=1e-5, atol=1e-6)
    assert set(terms) == {"soft"}


@pytest.mark.parametrize("count", [0, 2])
def test_any_number_of_teachers_but_one_is_an_error(tiny, count):
    with pytest.raises(Incompatible, match=f"not {count}"):
        Vanilla(VanillaParams()).prepare(Setup(tiny(), tiny_card(), count))


def test_parameters_out_of_range_are_an_error():
    with pytest.raises(BadInput, match="alpha"):
        VanillaParams.of({"alpha": 1.5})


def test_pseudo_labels_are_the_teachers_most_probable_classes_without_a_temperature():
    params = VanillaParams(answers="labels", alpha=0.25, temperature=7)
    terms = Vanilla(params).loss(batch_outputs(STUDENT, TEACHER, LABELS), START)
    assert set(terms) == {"pseudo", "hard"}
    by_hand = [  # classes 0, 1, 0: −log of the student's probability
        math.log(1 + math.exp(-0.4 - 0.2)),
        math.log(1 + math.exp(1.5 - 0.3)),
        math.log(2),
    ]
    assert terms["pseudo"].tolist() == pytest.approx([0.25 * each for each in by_hand])


def test_parameters_at_their_defaults_have_the_values_of_earlier_versions():
    assert VanillaParams().values() == {"temperature": 2.0, "alpha": 0.5}


@pytest.mark.parametrize(
    ("values", "only"),
    [
        ({}, False),
        ({"texts": "labelled"}, True),
        ({"answers": "smoothed"}, True),
        ({"alpha": 0}, True),
    ],
)
def test_a_restriction_to_labelled_texts_and_smoothed_labels_use_labelled_examples_alone(
    values, only
):
    assert VanillaParams.of(values).labelled_only is only
