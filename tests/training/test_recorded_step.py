"""A recorded step does what the usual step does; it is recorded on CUDA alone."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsekd.errors import Cancelled
from sparsekd.methods.base import TrainingProgress
from sparsekd.models.recording import Recorded
from sparsekd.tasks.labels import UNLABELLED
from sparsekd.training import Callbacks, train
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.recorded_step import RecordedStep, has_dropout, padded
from sparsekd.training.step import TrainingStep
from tests.tiny_data import tiny_data
from tests.training.jobs import stop_at
from tests.training.test_stacked import PARAMS, jobs_of, student

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
STEPS = 12


def recorded_step(job):
    """The step of a job as it is recorded elsewhere, here without a recording."""
    step = TrainingStep(job)
    step.recorded = RecordedStep(job, step.teacher_logits, step.optimiser, step.class_weights)
    return step


def taken(step, data):
    """Take some steps; return the loss terms of each."""
    found = []
    step.job.model.train()
    for number in range(STEPS):
        rows = np.random.default_rng(number).choice(len(data), 5 + number % 2, replace=False)
        _, terms = step.run(rows, TrainingProgress(number, STEPS, 0))
        found.append({name: each.clone() for name, each in terms.items()})
    return found


@pytest.mark.parametrize("index", [1, 3])
@pytest.mark.parametrize("labels", [1, 2, "weighted"])
def test_it_learns_what_the_usual_step_learns(index, labels):
    jobs = (
        jobs_of(labels=3, params=PARAMS.changed({"class_weights": "balanced"}))
        if labels == "weighted"
        else jobs_of(labels=labels)
    )
    usual, other = TrainingStep(jobs[index]), recorded_step(copy.deepcopy(jobs[index]))
    assert (usual.class_weights is None) == (labels != "weighted")
    data = usual.job.data
    first = {name: each.clone() for name, each in usual.job.model.state_dict().items()}
    for one, two in zip(taken(usual, data), taken(other, data), strict=True):
        assert one.keys() == two.keys()
        for name, term in one.items():
            torch.testing.assert_close(two[name], term, rtol=1e-3, atol=1e-4)
    moved = 0.0
    for name, weight in usual.job.model.state_dict().items():
        torch.testing.assert_close(other.job.model.state_dict()[name], weight, rtol=1e-3, atol=1e-4)
        moved = max(moved, float((weight - first[name]).abs().max()))
    assert moved > 0.01
    assert len(other.recorded.recorded.shapes) == 2


def test_a_batch_with_an_unlabelled_example_takes_the_usual_step():
    job = jobs_of()[1]
    labels = job.data.labels.copy()
    labels[3] = UNLABELLED
    step = recorded_step(replace(job, data=job.data.with_labels(labels)))
    assert not step.job.data.labelled[3]
    _, terms = step.run(np.array([1, 3, 5]), TrainingProgress(0, 1, 0))
    assert len(terms["soft"]) == 3 and len(terms["hard"]) == 2
    assert not step.recorded.recorded.shapes


def test_batches_are_padded_to_a_multiple_but_not_beyond_the_models_positions():
    batch = tiny_data(6, shortest=9, longest=9).batch(np.arange(6))
    wide = padded(batch, 8, longest=64)
    assert wide.input_ids.shape == (6, 16)
    assert wide.attention_mask.sum() == batch.attention_mask.sum()
    assert padded(batch, 8, longest=12).input_ids.shape == (6, 12)
    assert padded(batch, 3, longest=64).input_ids.shape == (6, 9)


def test_dropout_is_found_in_layers_and_in_the_attention():
    model = student(0)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.config.attention_probs_dropout_prob = 0.0
    assert not has_dropout(model)
    model.config.attention_probs_dropout_prob = 0.1
    assert has_dropout(model)
    model.config.attention_probs_dropout_prob = 0.0
    next(each for each in model.modules() if isinstance(each, torch.nn.Dropout)).p = 0.1
    assert has_dropout(model)


def test_a_processor_records_nothing():
    job = replace(jobs_of()[1], record=True)
    assert TrainingStep(job).recorded is None


def test_work_of_several_shapes_is_done_anew_at_each_call():
    seen = []

    def work(inputs):
        seen.append(tuple(inputs["x"].shape))
        return {"twice": 2 * inputs["x"]}

    recorded = Recorded(work, torch.device("cpu"), record=False)
    for values in ([1.0], [2.0, 3.0], [4.0], [5.0, 6.0]):
        found = recorded({"x": torch.tensor(values)})["twice"]
        assert found.tolist() == [2 * value for value in values]
    assert seen == [(1,), (2,), (1,), (2,)]


# --- on CUDA -----------------------------------------------------------------------------------


def on_cuda(index, record, dropout=0.0, **changes):
    """A job on a GPU."""
    job = replace(jobs_of(params=PARAMS.changed({"epochs": 6, "patience": 6}))[index], **changes)
    model = student(job.seed)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    model.config.attention_probs_dropout_prob = dropout
    return replace(job, model=model, device=torch.device("cuda:0"), record=record)


def assert_alike(job, result, other, expected):
    """Rounding in bfloat16 may differ a little; what was learned may not."""
    for one, two in zip(result.history, expected.history, strict=True):
        assert one["losses"] == pytest.approx(two["losses"], rel=0.02, abs=0.01)
    for name, weight in other.model.state_dict().items():
        distance = (job.model.state_dict()[name] - weight).norm() / weight.norm().clamp(min=1e-6)
        assert float(distance) < 0.02, name


@CUDA
def test_a_model_with_dropout_is_not_recorded():
    assert TrainingStep(on_cuda(1, record=True, dropout=0.2)).recorded is None


@CUDA
@pytest.mark.parametrize("index", [1, 3])
def test_a_recorded_training_ends_where_the_usual_one_ends(index):
    recorded, usual = (on_cuda(index, record) for record in (True, False))
    before = {name: each.clone() for name, each in recorded.model.state_dict().items()}
    result, expected = train(recorded), train(usual)
    assert_alike(recorded, result, usual, expected)
    moved = [
        float((each.cpu() - before[n]).abs().max())
        for n, each in recorded.model.state_dict().items()
    ]
    assert max(moved) > 0.02


@CUDA
def test_every_shape_that_comes_twice_is_recorded():
    job = on_cuda(1, record=True)
    step = TrainingStep(job)
    with torch.random.fork_rng([0]):
        taken(step, job.data)
    shapes = step.recorded.recorded.shapes.values()
    assert sum(shape.graph is not None for shape in shapes) >= 2


@CUDA
def test_a_recorded_training_goes_on_from_its_checkpoint(tmp_path):
    usual = on_cuda(1, record=False)
    expected = train(usual)
    path = tmp_path / "half.safetensors"
    callbacks = Callbacks(should_stop=stop_at(9), save_checkpoint=lambda saved: saved.save(path))
    with pytest.raises(Cancelled):
        train(on_cuda(1, record=True, callbacks=callbacks))
    resumed = on_cuda(1, record=True, checkpoint=Checkpoint.load(path))
    assert_alike(resumed, train(resumed), usual, expected)
