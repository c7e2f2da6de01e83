"""One optimiser step: what it trains on, how far it moves, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.methods.base import TrainingProgress
from sparsekd.training import Callbacks, train
from sparsekd.training.events import CacheProgress
from sparsekd.training.optimisation import moments
from sparsekd.training.step import TrainingStep
from tests.training.jobs import DATA, job_of, student


@pytest.mark.parametrize("clip", [1e-3, 1e6])
def test_a_gradient_longer_than_the_clip_is_shortened_to_it(clip):
    step = TrainingStep(job_of(params=TrainParams(clip=clip)))
    step.run(np.arange(6), TrainingProgress(0, 10, 0))
    # After one step AdamW's first moment is a tenth of the gradient.
    firsts = [each for name, each in moments(step.optimiser).items() if name.endswith("/exp_avg")]
    norm = 10 * torch.stack([each.norm() for each in firsts]).norm().item()
    assert norm == pytest.approx(1e-3, rel=1e-3) if clip == 1e-3 else 0.01 < norm < 1e6


def test_each_teachers_logits_and_the_labels_are_those_of_the_batchs_rows():
    logits = [np.arange(40, dtype=np.float32).reshape(20, 2) * scale for scale in (1, -1)]
    step, rows = TrainingStep(job_of(teacher_logits=logits)), np.array([7, 0, 19])
    outputs, _ = step.run(rows, TrainingProgress(0, 10, 0))
    for teacher, given in zip(outputs.teachers, logits, strict=True):
        np.testing.assert_array_equal(teacher.logits.numpy(), given[rows])
    np.testing.assert_array_equal(outputs.labels, DATA.labels[rows])


def test_the_mapped_logits_of_one_teacher_stay_in_their_file(tmp_path):
    given = np.arange(40, dtype=np.float32).reshape(20, 2)
    np.save(tmp_path / "logits.npy", given)
    mapped = np.load(tmp_path / "logits.npy", mmap_mode="c")
    step, rows = TrainingStep(job_of(teacher_logits=[mapped])), np.array([7, 0, 19])
    assert np.shares_memory(step.teacher_logits.numpy(), mapped)
    outputs, _ = step.run(rows, TrainingProgress(0, 10, 0))
    np.testing.assert_array_equal(outputs.teachers[0].logits.numpy(), given[rows])


def test_an_epoch_has_every_example_once_and_each_epoch_another_order():
    step = TrainingStep(job_of())
    first, second = (np.concatenate(step.epoch_batches(epoch, 0)) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(20))
    assert not np.array_equal(first, second)


def test_draws_differ_between_steps_and_episodes_and_the_final_ones_do_not_depend_on_episodes():
    with_episode, without = TrainingStep(job_of("everything")), TrainingStep(job_of())
    seeds = [
        with_episode.step_seed(TrainingProgress(step, 12, 0, episode))
        for step in (0, 1)
        for episode in (0, 1)
    ]
    assert len(set(seeds)) == 4
    final = TrainingProgress(1, 12, 0, 1)
    assert with_episode.step_seed(final) == without.step_seed(TrainingProgress(1, 12, 0, 0))
    for one, other in zip(
        with_episode.epoch_batches(0, 1), without.epoch_batches(0, 0), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_filling_the_teacher_cache_is_reported_and_can_be_stopped():
    events = []
    TrainingStep(job_of("everything", callbacks=Callbacks(on_event=events.append)))
    assert events[-1] == CacheProgress(20, 20)
    with pytest.raises(Cancelled, match="before the first step"):
        train(job_of("everything", callbacks=Callbacks(should_stop=lambda: True)))


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(20, 3), (19, 2)])
def test_logits_of_another_shape_are_refused(shape):
    with pytest.raises(Incompatible, match=rf"\({shape[0]}, {shape[1]}\), not \(20, 2\)"):
        train(job_of("vanilla", teacher_logits=[np.zeros(shape, np.float32)]))


def test_logits_that_are_not_finite_are_refused():
    logits = np.zeros((20, 2), np.float32)
    logits[3, 1] = np.nan
    with pytest.raises(BadInput, match="teacher's logits contain NaN"):
        train(job_of("vanilla", teacher_logits=[logits]))


def test_a_student_of_another_task_is_refused():
    with pytest.raises(Incompatible, match="3 outputs"):
        train(job_of(model=student(labels=3)))


def test_a_job_without_training_examples_is_refused():
    with pytest.raises(BadInput, match="no training examples"):
        train(job_of(data=DATA.select(np.zeros(0, dtype=np.int64))))


def test_a_method_that_reads_layers_needs_the_teachers_themselves():
    with pytest.raises(Incompatible, match="also reads their layers"):
        train(replace(job_of("everything"), teachers=[]))
