"""The training loop: it learns, selects, stops and reports."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput, Unavailable
from sparsekd.knowledge.evaluation import evaluate, predict
from sparsekd.methods.fine_tuning import FineTuning
from sparsekd.methods.vanilla import Vanilla
from sparsekd.training import Callbacks, TrainingJob, train
from sparsekd.training.events import EpochEnded, StepLogged
from tests.tiny_data import tiny_card, tiny_data
from tests.training.jobs import (
    CARD,
    DATA,
    KINDS,
    SELECTION,
    STEPS_PER_EPOCH,
    job_of,
    same_weights,
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_job_twice_gives_the_same_weights_and_metrics(kind):
    jobs = [job_of(kind) for _ in range(2)]
    first, second = (train(job) for job in jobs)
    assert same_weights(*(job.model for job in jobs))
    assert first.history == second.history


def test_another_seed_gives_other_weights():
    jobs = [job_of(seed=seed) for seed in range(2)]
    for job in jobs:
        train(job)
    assert not same_weights(*(job.model for job in jobs))


def test_a_student_memorises_its_examples(tiny):
    data, model = tiny_data(32, seed=3), tiny(seed=1)
    params = TrainParams(epochs=40, batch_size=8, learning_rate=3e-3, patience=40)
    job = TrainingJob(model, FineTuning(FineTuningParams()), data, data, CARD, params)
    losses = [epoch["losses"]["hard"] for epoch in train(job).history]
    assert losses[-1] < 0.2 * losses[0]
    assert evaluate(model, data, CARD)[0]["accuracy"] > 0.95


def test_a_distilled_student_learns_each_examples_own_soft_labels(tiny):
    half = np.random.default_rng(0).normal(size=(20, 1)).astype(np.float32)
    logits, model = np.hstack([half, -half]), tiny(seed=1)
    params = TrainParams(epochs=40, batch_size=5, learning_rate=3e-3, patience=40)
    method, data = Vanilla(VanillaParams(alpha=1)), replace(DATA, labels=logits.argmax(1))
    train(TrainingJob(model, method, data, data, CARD, params, teacher_logits=[logits]))
    found = predict(model, data)
    assert np.corrcoef(found[:, 0] - found[:, 1], half[:, 0])[0, 1] > 0.8


def test_an_alpha_of_zero_is_fine_tuning():
    plain, distilled = job_of(), job_of("vanilla", method=Vanilla(VanillaParams(alpha=0)))
    train(plain)
    train(distilled)
    assert same_weights(plain.model, distilled.model)


def test_it_stops_when_the_selection_metric_no_longer_improves():
    still = TrainParams(epochs=50, batch_size=6, learning_rate=1e-30, patience=2)
    result = train(job_of(params=still))
    assert [epoch["best"] for epoch in result.history] == [True, False, False]
    assert result.steps == 3 * STEPS_PER_EPOCH


def test_the_model_ends_with_the_weights_of_its_best_epoch():
    wild = TrainParams(epochs=8, batch_size=4, learning_rate=0.05, patience=8)
    job = job_of(params=wild)
    result = train(job)
    assert result.best_epoch < 7
    assert evaluate(job.model, SELECTION, CARD)[0] == result.metrics
    best = max(
        result.history,
        key=lambda epoch: (epoch["metrics"]["accuracy"], -epoch["metrics"]["loss"]),
    )
    assert best["metrics"] == result.metrics == result.history[result.best_epoch]["metrics"]


class Staged(FineTuning):
    """Its last stage begins exactly where the second of three epochs ends."""

    def ready(self, progress):
        return progress.step >= 2 * STEPS_PER_EPOCH


def test_only_an_epoch_of_the_last_stage_can_be_the_best():
    result = train(job_of(method=Staged(FineTuningParams())))
    assert [entry["best"] for entry in result.history] == [False, False, True]
    assert result.best_epoch == 2


def test_steps_evaluations_and_inspected_examples_of_a_method_with_an_episode_are_counted():
    result = train(job_of("everything"))
    assert (result.episode_steps, result.steps) == (12, 12)
    assert result.held_out_passes == 2 * 4  # at steps 0, 3, 6 and 9 of both trainings
    by_time = {
        when: [r["row"] for r in result.inspected if r["when"] == when]
        for when in ("before", "after")
    }
    assert by_time["before"] == by_time["after"]
    assert sorted(by_time["after"]) == list(range(20))


def test_it_reports_steps_and_epochs_with_losses_by_name():
    events = []
    result = train(job_of("vanilla", callbacks=Callbacks(on_event=events.append)))
    epochs = [event for event in events if isinstance(event, EpochEnded)]
    assert [event.step for event in epochs] == [4, 8, 12]
    for event, entry in zip(epochs, result.history, strict=True):
        reported = (event.epoch, event.losses, event.metrics, event.best)
        assert reported == (entry["epoch"], entry["losses"], entry["metrics"], entry["best"])
    assert all(set(event.losses) == {"soft", "hard"} for event in events)
    assert all(event.examples_per_second > 0 and event.eta >= 0 for event in events)
    assert type(events[0]) is StepLogged
    assert (events[0].step, events[0].steps, events[0].epoch, events[0].epochs) == (1, 12, 0, 3)


def test_what_a_method_logs_is_reported_once_with_its_step_and_episodes_are_not_evaluated():
    events = []
    train(job_of("everything", callbacks=Callbacks(on_event=events.append)))
    steps = [event for event in events if isinstance(event, StepLogged)]
    assert [step for event in steps for step, *_ in event.logged] == list(range(24))
    ends = [event for event in steps if event.step % STEPS_PER_EPOCH == 0]
    assert [(event.episode, event.epoch) for event in ends] == [
        (episode, epoch) for episode in (0, 1) for epoch in range(3)
    ]
    assert [isinstance(event, EpochEnded) for event in ends] == [False] * 3 + [True] * 3


def test_the_reported_loss_is_the_mean_over_examples_of_unequal_batches():
    terms = []

    class Recorder(FineTuning):
        def on_step_end(self, result):
            terms.append(result.terms["hard"].double())

    one = TrainParams(epochs=1, batch_size=6)
    result = train(job_of(method=Recorder(FineTuningParams()), params=one))
    assert len({len(term) for term in terms}) == 2
    mean = torch.cat(terms).mean().item()
    assert result.history[0]["losses"]["hard"] == pytest.approx(mean, rel=1e-12)


def test_a_diverged_training_names_the_learning_rate_and_saves_nothing():
    saved = []
    job = job_of(callbacks=Callbacks(save_checkpoint=saved.append))
    with torch.no_grad():
        job.model.classifier.bias[0] = float("nan")
    with pytest.raises(BadInput, match="learning_rate") as refused:
        train(job)
    assert "'hard' became nan before step 1" in refused.value.message
    assert saved == []


def test_a_refused_allocation_names_the_parameters_to_lower():
    job = job_of()
    job.model.register_forward_pre_hook(lambda *_: torch.empty(2**57) and None)
    with pytest.raises(Unavailable, match="batch_size or max_length"):
        train(job)


def test_it_restores_the_random_state_and_the_attention_and_ends_in_eval_mode():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    job = job_of("everything")
    train(job)
    assert torch.equal(torch.rand(2), expected)
    assert job.model.config._attn_implementation == "sdpa"
    assert not job.model.training


@pytest.mark.parametrize("classes", [1, 3])
def test_regressions_and_more_classes_are_distilled_too(tiny, architecture, classes):
    data, teacher = tiny_data(12, classes), tiny(architecture, labels=classes, layers=3)
    job = TrainingJob(
        tiny(architecture, labels=classes, seed=4),
        Vanilla(VanillaParams()),
        data,
        data,
        tiny_card(classes),
        TrainParams(epochs=2, batch_size=4, learning_rate=1e-3),
        teacher_logits=[predict(teacher, data)],
    )
    losses = [sum(epoch["losses"].values()) for epoch in train(job).history]
    assert losses[1] < losses[0]
