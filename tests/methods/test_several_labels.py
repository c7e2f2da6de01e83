"""Several labels for each text: every method trains on them, and its terms are those by hand."""

import numpy as np
import pytest
import torch

from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.observe import Knowledge
from sparsekd.methods import load
from sparsekd.methods.base import BatchOutputs, TrainingProgress, pseudo_label_loss
from sparsekd.methods.teacher_rewards import targets_of
from sparsekd.methods.vanilla import Vanilla
from sparsekd.stages.teacher_answers import smoothed
from sparsekd.training import TrainingJob, train
from tests.conftest import tiny_model
from tests.methods.test_contract import fewer
from tests.tiny_data import several_card, several_data

START = TrainingProgress(0, 10, 0)
SEVERAL = {"problem_type": "multi_label_classification"}
TEACHER = torch.tensor([[2.0, 0.0, -1.0], [0.5, -3.0, 1.0], [0.1, 0.2, -0.3]])
LABELS = torch.tensor([[1.0, 0.0, 1.0], [torch.nan] * 3, [0.0, 0.0, 0.0]])


def outputs(student: torch.Tensor) -> BatchOutputs:
    """A batch of three examples, the second without a gold label."""
    known = torch.tensor([0, 2])
    return BatchOutputs(
        *(Knowledge(student), (Knowledge(TEACHER),), LABELS, torch.ones(3, 4), np.arange(3), known)
    )


def test_the_gradient_of_vanilla_is_that_of_two_outcomes_of_each_label() -> None:
    student = torch.tensor([[0.3, -0.2, 1.0], [1.0, 0.5, 0.0], [0.1, 0.4, 2.0]], requires_grad=True)
    terms = Vanilla(VanillaParams(temperature=2, alpha=0.3)).loss(outputs(student), START)
    (gradient,) = torch.autograd.grad(terms["soft"].mean() + terms["hard"].mean(), student)

    # d/ds of T² · soft cross-entropy is T · (σ(s/T) − σ(t/T)), a third of it for each label.
    soft = 0.3 * 2 * (torch.sigmoid(student / 2) - torch.sigmoid(TEACHER / 2)) / 3 / 3
    gold = 0.7 * (torch.sigmoid(student) - LABELS) / 3 / 2
    torch.testing.assert_close(gradient[1], soft[1].detach())
    torch.testing.assert_close(gradient[[0, 2]], (soft + gold)[[0, 2]].detach())


def test_an_unlabelled_text_has_the_teachers_mean_probabilities_as_targets() -> None:
    teachers = torch.stack([TEACHER, -2 * TEACHER], dim=1)
    found = targets_of(teachers, LABELS, torch.tensor([True, False, True]))

    assert found[[0, 2]].equal(LABELS[[0, 2]])
    torch.testing.assert_close(found[1], torch.sigmoid(teachers[1]).mean(0))


def test_pseudo_labels_are_the_labels_above_a_half() -> None:
    student = torch.zeros(3, 3)
    student[0] = 5 * TEACHER[0].sign()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        student, (TEACHER > 0).float(), reduction="none"
    )
    torch.testing.assert_close(pseudo_label_loss(outputs(student)), expected.mean(-1))


def test_smoothed_labels_are_as_confident_as_the_teacher() -> None:
    logits, labels = TEACHER.numpy(), LABELS.numpy()
    found = smoothed(logits, labels, temperature=2.0)

    shares = 1 / (1 + np.exp(-found / 2.0))
    teacher = 1 / (1 + np.exp(-logits / 2.0))
    sure = np.maximum(teacher, 1 - teacher).mean()
    np.testing.assert_allclose(np.maximum(shares, 1 - shares)[[0, 2]], sure, rtol=1e-5)
    assert ((found > 0) == (labels > 0))[[0, 2]].all()
    assert (found[1] == 0).all()


@pytest.mark.parametrize("card", METHODS.values(), ids=METHODS)
def test_every_method_learns_several_labels_with_some_texts_unlabelled(card) -> None:
    task, data = several_card(), several_data(64)
    labels = data.labels.copy()
    labels[::4] = np.nan
    method = load(card)(fewer(card))
    teachers = [
        tiny_model(labels=3, layers=4, seed=2 + place, **SEVERAL)
        for place in range(card.least_teachers)
    ]
    job = TrainingJob(
        tiny_model(labels=3, layers=2, seed=1, **SEVERAL),
        method,
        data.with_labels(labels),
        several_data(64, seed=3),
        task,
        TrainParams(epochs=6, batch_size=16, learning_rate=2e-3),
        teacher_logits=[predict(teacher, data) for teacher in teachers],
        teachers=teachers if method.reads_layers else (),
    )
    result = train(job)

    assert set(result.metrics) == {*task.metrics, "loss"}
    assert all(np.isfinite(value) for value in result.history[-1]["losses"].values())
    first, last = (sum(result.history[place]["losses"].values()) for place in (0, -1))
    assert last < first or card.name in ("internal", "knowledge_selection")
