"""Training on batches in which some examples have no gold label."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsekd import methods
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.errors import Incompatible
from sparsekd.knowledge.observe import Knowledge
from sparsekd.methods.base import BatchOutputs, TrainingProgress
from sparsekd.methods.vanilla import Vanilla
from sparsekd.tasks.labels import UNLABELLED, without_labels
from sparsekd.training import train
from sparsekd.training.step import TrainingStep
from tests.conftest import tiny_model
from tests.training.jobs import DATA, job_of

START = TrainingProgress(0, 10, 0)
KEPT = np.array([2, 5, 11])
SOME = DATA.with_labels(without_labels(DATA.labels, KEPT))
NONE = DATA.with_labels(np.full_like(DATA.labels, UNLABELLED))


def batch(student, teacher, labels, labelled):
    return BatchOutputs(
        Knowledge(torch.tensor(student)),
        (Knowledge(torch.tensor(teacher)),),
        torch.tensor(labels),
        torch.ones(len(labels), 3),
        np.arange(len(labels)),
        None if labelled is None else torch.tensor(labelled),
    )


def test_a_mixed_batch_has_the_terms_that_a_hand_computes():
    outputs = batch([[0.0, 0.0], [math.log(3), 0.0]], [[0.0, 0.0]] * 2, [UNLABELLED, 0], [1])
    terms = Vanilla(VanillaParams(temperature=1, alpha=0.5)).loss(outputs, START)
    soft = [0.5 * math.log(2), 0.5 * (0.5 * math.log(4 / 3) + 0.5 * math.log(4))]
    assert terms["soft"].tolist() == pytest.approx(soft)
    assert terms["hard"].tolist() == pytest.approx([0.5 * math.log(4 / 3)])


def test_the_gradient_of_an_unlabelled_example_is_that_of_the_soft_term_alone():
    logits = torch.tensor([[0.3, -0.2], [1.0, 0.5], [0.1, 0.4]], requires_grad=True)
    teacher = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, -1.0]])
    outputs = replace(
        batch([[0.0, 0.0]] * 3, teacher.tolist(), [1, UNLABELLED, 0], [0, 2]),
        student=Knowledge(logits),
    )
    terms = Vanilla(VanillaParams(temperature=2, alpha=0.3)).loss(outputs, START)
    loss = sum(term.mean() for term in terms.values())
    (gradient,) = torch.autograd.grad(loss, logits)
    # d/ds of T² · soft cross-entropy is T · (softmax(s/T) − softmax(t/T)).
    difference = torch.softmax(logits / 2, -1) - torch.softmax(teacher / 2, -1)
    soft = 0.3 * 2 * difference / 3
    torch.testing.assert_close(gradient[1], soft[1].detach())
    gold = (torch.softmax(logits, -1) - torch.eye(2)[[1, 0, 0]]) * 0.7 / 2
    torch.testing.assert_close(gradient[0], (soft + gold)[0].detach())


@pytest.mark.parametrize("card", METHODS.values(), ids=METHODS)
def test_every_gold_term_of_a_card_and_no_other_is_left_out_without_labels(card):
    params = card.params(**({"labels": "soft_and_gold"} if card.name == "internal" else {}))
    job = job_of("vanilla", data=DATA)
    teachers = max(card.least_teachers, 1)
    changed = {
        "method": methods.load(card)(params),
        "teacher_logits": list(job.teacher_logits) * teachers,
        "teachers": [tiny_model(layers=4, seed=9)] if card.least_teachers == 1 else [],
    }
    if card.name == "knowledge_selection":
        changed["params"] = job.params.changed({"epochs": 9})
    seen = set()
    for data in (DATA, SOME):
        step = TrainingStep(replace(job, data=data, **changed))
        last = TrainingProgress(9, 10, 0, step.job.method.training_episodes)
        outputs, terms = step.run(np.array([0, 1, 2, 3]), last)
        labelled = 1 if data is SOME else 4
        seen |= set(terms)
        for name, term in terms.items():
            assert len(term) == (labelled if name in card.gold_terms else 4), name
        assert len(outputs.rows) == 4
    assert set(card.gold_terms) <= seen
    if params.labelled_only:
        return
    step = TrainingStep(replace(job, data=NONE, **changed))
    _, terms = step.run(np.arange(4), TrainingProgress(9, 10, 0, step.job.method.training_episodes))
    assert terms and not set(terms) & set(card.gold_terms)


def test_fine_tuning_passes_over_its_labelled_examples_for_as_many_steps():
    step = TrainingStep(job_of("fine_tuning", data=SOME))
    batches = step.epoch_batches(0, 0)
    assert len(batches) == TrainingStep(job_of("vanilla", data=SOME)).epoch_steps == 4
    assert set(np.concatenate(batches)) == set(KEPT)


def test_a_batch_to_which_no_term_applies_changes_nothing():
    step = TrainingStep(job_of("vanilla", data=SOME))
    step.job.method.params = VanillaParams(alpha=0)
    before = {name: each.clone() for name, each in step.all_weights().items()}
    _, terms = step.run(np.array([0, 1]), START)
    assert terms == {}
    for name, each in step.all_weights().items():
        torch.testing.assert_close(each, before[name], rtol=0, atol=0)


def test_training_learns_from_a_teacher_without_any_gold_label_and_fine_tuning_refuses():
    result = train(job_of("vanilla", data=NONE))
    assert set(result.history[0]["losses"]) == {"soft"}
    with pytest.raises(Incompatible, match="No training example has a gold label"):
        train(job_of("fine_tuning", data=NONE))
