"""Variants compute what this program computes, so that their times can be compared."""

import dataclasses

import numpy as np
import pytest
import torch

from sparsekd.bench import peak, variants
from sparsekd.bench.passes import PREDICTIONS
from sparsekd.bench.unpadded import predict_unpadded
from sparsekd.bench.variant_steps import STEPS, Case, OnDevice, epoch, our_own
from sparsekd.knowledge.evaluation import predict
from sparsekd.models import architectures
from sparsekd.units.shape import flops
from tests.bench.test_distillation_bench import without_dropout
from tests.tiny_data import tiny_card, tiny_data

CPU = torch.device("cpu")


def test_every_variant_is_measured_or_says_why_not(tiny):
    data = tiny_data(40)
    rows = list(variants.measure(tiny(layers=3), data, data, tiny_card(), layers=2))
    refused = [row for row in rows if np.isnan(row["ratio"])]
    assert [row["what"] for row in refused] == ["distillation step: ours / CUDA graphs"]
    assert "cpu has no CUDA graphs" in refused[0]["note"]
    assert all(row["ratio"] > 0 for row in rows if row not in refused)
    assert len(rows) == len(STEPS) + len(PREDICTIONS) + 4 + 1


@pytest.mark.parametrize("name", STEPS)
def test_a_variant_of_a_step_moves_the_weights_as_ours_does(name, tiny):
    data, student = tiny_data(64), without_dropout(tiny())
    case = Case(student, data, tiny_card(), predict(tiny(seed=3), data), CPU)
    trained = []
    for build in (our_own, STEPS[name]):
        step = build(case)
        for rows in epoch(data, 32):
            step(rows)
        trained.append(list(step.training.job.model.parameters()))
    for one, other in zip(*trained, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5)
    first = next(iter(student.parameters()))
    assert (trained[0][0] - first).abs().max() > 1e-5


def test_batches_gathered_on_the_device_are_the_usual_ones():
    data = tiny_data(20)
    rows = np.array([3, 0, 7, 19])
    usual, gathered = data.batch(rows), OnDevice.of(data, CPU).batch(rows)
    for field in dataclasses.fields(usual):
        one, other = getattr(usual, field.name), getattr(gathered, field.name)
        assert np.array_equal(np.asarray(one), np.asarray(other)), field.name


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_texts_laid_end_to_end_have_the_same_logits(family, tiny):
    model, data = tiny(family, 3, layers=3), tiny_data(30, 3)
    np.testing.assert_allclose(predict_unpadded(model, data), predict(model, data), atol=2e-5)
    assert model.config._attn_implementation == "sdpa"


def test_operations_are_those_of_the_matrix_products():
    one, two = torch.ones(3, 5), torch.ones(5, 7, requires_grad=True)
    assert peak.operations(lambda: one @ two) == 2 * 3 * 5 * 7
    assert peak.operations(lambda: (one @ two).sum().backward()) == 2 * 2 * 3 * 5 * 7


def test_a_models_operations_are_those_that_its_shape_says_attention_included(tiny, inputs):
    model = tiny(hidden=24, layers=2, attn_implementation="sdpa")
    texts = {name: each[:2, :2] for name, each in inputs(model, tokens=5).items()}
    expected = 2 * flops(architectures.shape(model), tokens=2)
    assert peak.operations(lambda: model(**texts)) == expected


def test_a_share_of_the_peak_is_reached_in_the_precision_of_the_work():
    measured = peak.Peak(torch.device("cuda"), float32=100.0, bfloat16=400.0, bandwidth=1.0)
    assert measured.share(operations=50, spent=1.0) == 0.5
    assert measured.training_share(operations=50, spent=0.5) == 0.25
    assert dataclasses.replace(measured, device=CPU).training_share(50, 1.0) == 0.5


def test_a_product_reaches_a_share_of_the_peak_below_one_and_a_half():
    measured = peak.measure(CPU)
    assert measured.float32 > 1e8 and measured.bfloat16 > 1e6 and measured.bandwidth > 1e7
    assert [row["ratio"] > 0 for row in measured.rows()] == [True, True]
