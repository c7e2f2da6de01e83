"""The benchmark compares loops that do the same work."""

import numpy as np
import torch

from sparsekd.bench.distillation import measure
from sparsekd.bench.plain import PlainTraining, widened
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.knowledge.evaluation import predict
from sparsekd.methods.base import TrainingProgress
from sparsekd.methods.vanilla import Vanilla
from sparsekd.training import TrainingJob
from sparsekd.training.step import TrainingStep
from tests.tiny_data import tiny_card, tiny_data

CPU = torch.device("cpu")


def without_dropout(model):
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.0
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def test_each_ratio_is_a_number_with_its_setting(tiny):
    rows = measure(tiny(layers=4), tiny_data(40), tiny_card(), layers=2, batch_size=8, rounds=2)
    assert all(np.isfinite(row["ratio"]) and row["ratio"] > 0 for row in rows)
    assert "batch 8, 4 → 2 layers, 40 texts" in rows[0]["note"]


def test_the_three_loops_take_the_same_step(tiny):
    teacher, data = tiny(layers=3, seed=9), tiny_data(12)
    params, rows = TrainParams(warmup=0, weight_decay=0), np.arange(6)
    student = without_dropout(tiny())
    plain = PlainTraining(teacher, student, data, params, CPU, "eager", 40)
    usual = PlainTraining(teacher, student, data, params, CPU, "sdpa", 0)
    for loop in (plain, usual):
        loop.optimiser = torch.optim.SGD(loop.student.parameters(), lr=0.1)
    logits = [predict(teacher, data)]
    method, card = Vanilla(VanillaParams()), tiny_card()
    job = TrainingJob(student, method, data, data, card, params, teacher_logits=logits)
    ours = TrainingStep(job)
    ours.optimiser = torch.optim.SGD(student.parameters(), lr=0.1)
    ours.update = lambda rate: (
        torch.nn.utils.clip_grad_norm_(ours.weights, params.clip),
        ours.optimiser.step(),
    )
    student.train()
    for step in (plain.step, usual.step, lambda r: ours.run(r, TrainingProgress(0, 1, 0))):
        step(rows)
    for one, two, three in zip(
        plain.student.parameters(), usual.student.parameters(), student.parameters(), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(one, three, rtol=1e-3, atol=1e-4)


def test_widening_adds_padding_only():
    batch = tiny_data(5).batch(np.arange(5))
    wide = widened(batch, 30)
    assert wide.input_ids.shape == (5, 30)
    assert wide.attention_mask.sum() == batch.attention_mask.sum()
    assert widened(batch, 3).input_ids.shape == batch.input_ids.shape
