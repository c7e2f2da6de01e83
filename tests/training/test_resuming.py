"""An interruption changes nothing: same weights, same history, same metrics, bit by bit."""

from dataclasses import replace
from functools import cache
from itertools import chain

import numpy as np
import pytest

from sparsekd.catalog.methods.tinybert import TinyBERTParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import Incompatible
from sparsekd.methods.base import TrainingProgress
from sparsekd.methods.tinybert import TinyBERT
from sparsekd.models.pruning import prune
from sparsekd.training import Callbacks, train
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.step import TrainingStep
from sparsekd.units.masking import Mask
from tests.conftest import tiny_model
from tests.training.jobs import (
    KINDS,
    STEPS_PER_EPOCH,
    interrupted,
    job_of,
    same_weights,
    saved,
    student,
)


@cache
def uninterrupted(kind):
    """The model of a job of this kind, and its result."""
    job = job_of(kind)
    return job.model, train(job)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gaps", [(0,), (1,), (4,), (6,), (11,), (2, 1, 4, 3)])
def test_an_interrupted_training_ends_as_if_it_never_was(kind, gaps, tmp_path):
    path = tmp_path / "state.safetensors"
    model, whole = uninterrupted(kind)
    for gap in gaps:
        interrupted(job_of(kind, checkpoint=saved(path)), gap, path)
    broken = job_of(kind, checkpoint=saved(path))
    pieces = train(broken)
    assert same_weights(model, broken.model)
    assert whole.history == pieces.history
    assert (whole.metrics, whole.best_epoch) == (pieces.metrics, pieces.best_epoch)


@pytest.mark.parametrize("gaps", [(3,), (8,), (6, 2)])
def test_a_training_that_is_interrupted_within_a_stage_goes_on_at_that_stages_rate(gaps, tmp_path):
    teacher, path = tiny_model(layers=4, seed=9), tmp_path / "state.safetensors"

    def staged(**changes):
        method = TinyBERT(TinyBERTParams(rate_schedule="stage"))
        return job_of("everything", method=method, teachers=[teacher], **changes)

    straight, rates = staged(), TrainingStep(staged()).learning_rate
    found = [
        rates(TrainingProgress(step, 12, 0)) / straight.params.learning_rate for step in (0, 6)
    ]
    assert found == pytest.approx([1, 1])  # 10% of six steps is one step of warm-up, in each stage
    whole = train(straight)
    for gap in gaps:
        interrupted(staged(checkpoint=saved(path)), gap, path)
    broken = staged(checkpoint=saved(path))
    assert train(broken).history == whole.history
    assert same_weights(straight.model, broken.model)


def test_batches_are_mixed_as_the_parameters_say():
    def batches(noise):
        params = TrainParams(batch_size=6, padding_noise=noise)
        return [rows.tolist() for rows in TrainingStep(job_of(params=params)).epoch_batches(0, 0)]

    usual, mixed = batches(0.0), batches(1.0)
    assert sorted(chain(*usual)) == sorted(chain(*mixed))
    assert set(map(frozenset, usual)) != set(map(frozenset, mixed))


def test_any_checkpoint_leads_to_the_same_end(tmp_path):
    paths = []

    def save(checkpoint):
        paths.append(tmp_path / f"{checkpoint.facts['step']}.safetensors")
        checkpoint.save(paths[-1])

    straight = job_of("vanilla", callbacks=Callbacks(save_checkpoint=save, save_every=0))
    whole = train(straight)
    assert paths
    for path in paths:
        job = job_of("vanilla", checkpoint=Checkpoint.load(path))
        assert train(job).history == whole.history
        assert same_weights(job.model, straight.model)


def test_a_pruned_student_without_a_layers_heads_is_trained_and_resumed(tmp_path):
    heads, neurons = np.ones((2, 3), bool), np.ones((2, 20), bool)
    heads[0], neurons[1] = False, False
    path = tmp_path / "state.safetensors"

    def pruned(**changes):
        return job_of("vanilla", model=prune(student(), Mask(heads, neurons)), **changes)

    straight = pruned()
    whole = train(straight)
    interrupted(pruned(), 5, path)
    broken = pruned(checkpoint=Checkpoint.load(path))
    assert train(broken).history == whole.history
    assert same_weights(straight.model, broken.model)


def test_a_training_that_ran_out_of_patience_takes_no_step_when_resumed(tmp_path):
    still = TrainParams(epochs=50, batch_size=6, learning_rate=1e-30, patience=2)
    path = tmp_path / "state.safetensors"
    interrupted(job_of(params=still), 11, path)
    again = train(job_of(params=still, checkpoint=Checkpoint.load(path)))
    assert again.steps == 3 * STEPS_PER_EPOCH


def test_a_checkpoint_of_another_seed_or_plan_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    interrupted(job_of(), 2, path)
    job = job_of(checkpoint=Checkpoint.load(path))
    with pytest.raises(Incompatible, match="with seed 0, this run 12 with seed 1"):
        train(replace(job, seed=1))
    with pytest.raises(Incompatible, match="plans 12 steps with seed 0, this run 16"):
        train(replace(job, params=job.params.changed({"epochs": 4})))


def test_a_checkpoint_has_the_names_that_unfinished_runs_on_disk_have(tmp_path):
    path = tmp_path / "state.safetensors"
    interrupted(job_of("everything"), 22, path)  # in the last epoch of the final training
    checkpoint = Checkpoint.load(path)
    facts = {"step", "seconds", "best", "best_epoch", "history", "seen", "passes"}
    assert set(checkpoint.facts) == facts | {"steps", "seed"}
    names = set(checkpoint.tensors)
    assert {name.split("/")[0] for name in names} == {
        "model",
        "best",
        "optimiser",
        "sums",
        "method",
        "extra",
    }
    assert {
        "model/classifier.weight",
        "best/classifier.weight",
        "optimiser/0/step",
        "optimiser/0/exp_avg",
        "optimiser/0/exp_avg_sq",
        "sums/hidden",
        "method/mean",
        "extra/map/weight",
    } <= names
