"""Students trained together become what they become alone; one's end does not end the others."""

import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from sparsekd import methods
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.knowledge.evaluation import predict
from sparsekd.methods.fine_tuning import FineTuning
from sparsekd.methods.vanilla import Vanilla
from sparsekd.training import Callbacks, TrainingJob, check_stackable, train, train_stacked
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.step import TrainingStep
from tests.conftest import tiny_model
from tests.tiny_data import tiny_card, tiny_data
from tests.training.jobs import stop_at

# A large epsilon: otherwise AdamW makes whole steps of gradients that are rounding errors.
PARAMS = TrainParams(
    weight_decay=0.5, epochs=4, batch_size=8, learning_rate=1e-2, patience=2, epsilon=1e-3, clip=0.5
)
VANILLA = ({"alpha": 1.0, "temperature": 1.0}, {"alpha": 0.5}, {"alpha": 0.2, "temperature": 4.0})


def student(seed, architecture="bert", labels=2, **options):
    names = {"distilbert": ("dropout", "attention_dropout", "seq_classif_dropout")}
    usual = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    none = dict.fromkeys(names.get(architecture, usual), 0.0)
    return tiny_model(
        architecture, labels, seed=seed, attn_implementation="sdpa", **none, **options
    )


def jobs_of(architecture="bert", labels=2, params=PARAMS):
    """Three students with a teacher and first weights of their own, and one without a teacher."""
    card, data, selection = tiny_card(labels), tiny_data(28, labels, 1), tiny_data(30, labels, 2)
    jobs = []
    for seed in range(4):
        values = VANILLA[seed] if seed < 3 else None
        method = Vanilla(VanillaParams.of(values)) if values else FineTuning(FineTuningParams())
        teacher = tiny_model(layers=3, seed=20 + seed, labels=labels)
        logits = [predict(teacher, data)] if values else []
        model = student(seed, architecture, labels)
        job = TrainingJob(model, method, data, selection, card, params, seed, teacher_logits=logits)
        jobs.append(job)
    return jobs


def alone(job):
    """A copy of the job's model, trained by itself, and the result."""
    job = replace(job, model=copy.deepcopy(job.model))
    return job.model, train(job)


@cache
def usual_alone(architecture="bert"):
    """What the students of `jobs_of(architecture)` become alone."""
    return [alone(job) for job in jobs_of(architecture)]


@cache
def alike_alone():
    """What the students of `alike()` become alone."""
    return [alone(job) for job in alike()]


def together(jobs):
    return dict(train_stacked(jobs))


def assert_same(job, result, expected):
    model, own = expected
    assert (result.steps, result.best_epoch) == (own.steps, own.best_epoch)
    assert result.metrics == pytest.approx(own.metrics, abs=1e-4)
    for one, other in zip(result.history, own.history, strict=True):
        assert one["losses"] == pytest.approx(other["losses"], abs=1e-4)
        assert one["metrics"] == pytest.approx(other["metrics"], abs=1e-4)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(
            job.model.state_dict()[name], weight, atol=2e-5, rtol=1e-4, msg=name
        )


def test_every_student_becomes_what_it_becomes_alone(architecture):
    jobs = jobs_of(architecture)
    expected = usual_alone(architecture)
    before = [copy.deepcopy(job.model.state_dict()) for job in jobs]
    results = together(jobs)
    for index, job in enumerate(jobs):
        assert_same(job, results[index], expected[index])
        moved = [
            float((weight - before[index][name]).abs().max())
            for name, weight in job.model.state_dict().items()
        ]
        assert max(moved) > 0.01, "the tolerance would hide that nothing was learned"


def test_students_whose_patience_ends_leave_the_group_with_weights_of_their_own():
    jobs = jobs_of(params=PARAMS.changed({"epochs": 8, "patience": 1}))
    expected = [alone(job) for job in jobs]
    results = together(jobs)
    assert len({own.steps for _, own in expected}) > 1
    for index, job in enumerate(jobs):
        assert_same(job, results[index], expected[index])
        shared = {weight.untyped_storage().nbytes() for weight in job.model.parameters()}
        own = {weight.numel() * weight.element_size() for weight in job.model.parameters()}
        assert shared == own, "a student that has left still holds the others' weights"


@pytest.mark.parametrize("labels", [1, 3])
def test_a_regression_and_three_classes_are_learned_together_too(labels):
    jobs = jobs_of(labels=labels)
    expected = [alone(job) for job in jobs]
    results = together(jobs)
    for index, job in enumerate(jobs):
        assert_same(job, results[index], expected[index])


def interrupted(jobs, steps, tmp_path):
    """The jobs, each stopped after so many steps, ready to continue in fresh models."""
    paths = [tmp_path / f"{index}.safetensors" for index in range(len(jobs))]
    stopped = []
    for job, step, path in zip(jobs, steps, paths, strict=True):
        callbacks = Callbacks(
            should_stop=stop_at(step),
            save_checkpoint=lambda checkpoint, path=path: checkpoint.save(path),
        )
        stopped.append(replace(job, model=copy.deepcopy(job.model), callbacks=callbacks))
    assert all(isinstance(end, Cancelled) for end in together(stopped).values())
    return [
        replace(job, checkpoint=Checkpoint.load(path))
        for job, path in zip(jobs, paths, strict=True)
    ]


def test_a_killed_group_continues_though_its_members_are_at_different_steps(tmp_path):
    jobs = jobs_of()
    expected = usual_alone()
    resumed = interrupted(jobs, (2, 5, 5, 0), tmp_path)
    results = together(resumed)
    for index, job in enumerate(resumed):
        assert_same(job, results[index], expected[index])


def test_a_student_of_a_killed_group_can_continue_alone_and_in_a_group_again(tmp_path):
    jobs = jobs_of()[:2]
    expected = usual_alone()
    resumed = interrupted(jobs, (3, 6), tmp_path)
    path = tmp_path / "alone.safetensors"
    callbacks = Callbacks(
        should_stop=stop_at(4), save_checkpoint=lambda checkpoint: checkpoint.save(path)
    )
    with pytest.raises(Cancelled):
        alone(replace(resumed[0], callbacks=callbacks))
    again = [replace(resumed[0], checkpoint=Checkpoint.load(path)), resumed[1]]
    results = together(again)
    for index, job in enumerate(again):
        assert_same(job, results[index], expected[index])


def test_one_that_diverges_and_one_that_is_refused_do_not_end_the_others():
    jobs = jobs_of()
    expected = usual_alone()
    with torch.no_grad():
        jobs[1].model.base_model.embeddings.word_embeddings.weight.fill_(torch.nan)
    jobs[2] = replace(jobs[2], teacher_logits=[np.zeros((3, 2), dtype=np.float32)])
    results = together(jobs)
    assert isinstance(results[1], BadInput) and "became nan" in results[1].message
    assert isinstance(results[2], Incompatible) and "shape" in results[2].message
    for index in (0, 3):
        assert_same(jobs[index], results[index], expected[index])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": tiny_data(28, seed=1)}, "different texts"),
        ({"params": PARAMS.changed({"epochs": 5})}, "training parameters"),
        ({"card": tiny_card(3)}, "differ in task"),
    ],
)
def test_jobs_on_other_data_or_with_other_parameters_are_not_stacked(change, reason):
    one, other = jobs_of()[:2]
    with pytest.raises(Incompatible, match=reason):
        check_stackable([one, replace(other, **change)])


def test_methods_on_the_menu_stack_only_where_they_read_logits_and_labels_alone():
    job = jobs_of()[0]
    for card in METHODS.values():
        method = methods.load(card)(card.params())
        if card.stacks:
            check_stackable([replace(job, method=method)])
        elif method.reads_layers or method.inspects_examples or method.training_episodes:
            with pytest.raises(Incompatible, match="more than logits and labels"):
                check_stackable([replace(job, method=method)])
    assert {name for name, card in METHODS.items() if card.stacks} == {"fine_tuning", "vanilla"}


def alike(params=PARAMS):
    """Five students: three learn by one method with equal parameters, two have their own."""
    jobs = jobs_of(params=params)
    vanilla = [replace(job, method=Vanilla(VanillaParams())) for job in jobs[:3]]
    data = jobs[0].data
    other = replace(jobs[3], method=Vanilla(VanillaParams(alpha=0.9)), seed=7)
    other = replace(other, model=student(7), teacher_logits=[predict(student(8), data)])
    return [vanilla[0], jobs[3], vanilla[1], other, vanilla[2]]


def test_students_that_learn_alike_share_their_loss_and_become_what_they_become_alone(monkeypatch):
    jobs = alike()
    expected = alike_alone()
    calls = []
    loss = Vanilla.loss
    monkeypatch.setattr(
        Vanilla, "loss", lambda *given: calls.append(len(given[1].labels)) or loss(*given)
    )
    results = together(jobs)
    for index, job in enumerate(jobs):
        assert_same(job, results[index], expected[index])
    assert max(calls) == 3 * PARAMS.batch_size
    lengths = {len(rows) for rows in TrainingStep(jobs[0]).epoch_batches(0, 0)}
    assert len(lengths) > 1, "no batch of the epoch is filled up"


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_students_that_learn_alike_from_other_labels_do_not_share_those(weights):
    params = PARAMS.changed({"class_weights": weights})
    jobs = [replace(job, params=params) for job in alike()]
    data = jobs[0].data
    jobs[2] = replace(jobs[2], data=data.with_labels(1 - data.labels))
    assert data.labels.mean() != 0.5, "the weights of those labels would be equal"
    expected = [alone(job) for job in jobs]
    results = together(jobs)
    for index, job in enumerate(jobs):
        assert_same(job, results[index], expected[index])


def test_one_that_diverges_does_not_end_those_that_share_its_loss():
    jobs = alike()
    expected = alike_alone()
    with torch.no_grad():
        jobs[2].model.base_model.embeddings.word_embeddings.weight.fill_(torch.nan)
    results = together(jobs)
    assert isinstance(results[2], BadInput) and "became nan" in results[2].message
    for index in (0, 1, 3, 4):
        assert_same(jobs[index], results[index], expected[index])
