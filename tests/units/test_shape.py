"""Parameters and operations counted from a shape equal those of the real models."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sparsekd.errors import Incompatible
from sparsekd.models import architectures
from sparsekd.units.shape import ModelShape, flops, parameters, pruned
from tests.conftest import tiny_inputs, tiny_model

BERT_BASE = ModelShape(
    architecture="bert",
    hidden=768,
    head_size=64,
    heads=(12,) * 12,
    neurons=(3072,) * 12,
    vocabulary=30522,
    positions=512,
    segments=2,
    embedding=768,
    classes=2,
)


def ones(shape: ModelShape) -> SimpleNamespace:
    layers, heads, neurons = shape.grid()
    return SimpleNamespace(
        heads=np.ones((layers, heads), bool), neurons=np.ones((layers, neurons), bool)
    )


def test_bert_base_has_its_known_number_of_parameters() -> None:
    assert parameters(BERT_BASE) == 109_483_778


@pytest.mark.parametrize("embedding", [16, 24])
@pytest.mark.parametrize("labels", [1, 2, 3])
def test_parameters_equal_those_of_the_model(
    architecture: str, labels: int, embedding: int
) -> None:
    sized = {"embedding_size": embedding} if architecture == "electra" else {}
    model = tiny_model(architecture, labels=labels, layers=3, **sized)
    expected = sum(weight.numel() for weight in model.parameters())
    assert parameters(architectures.shape(model)) == expected


@pytest.mark.parametrize("tokens", [1, 7, 30])
@torch.no_grad()
def test_operations_equal_those_that_torch_counts(architecture: str, tokens: int) -> None:
    model = tiny_model(architecture, labels=3)
    batch = {"input_ids": tiny_inputs(model, examples=1, tokens=30)["input_ids"][:, :tokens]}
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(**batch)
    assert flops(architectures.shape(model), tokens) == counter.get_total_flops()


def test_removing_one_head_removes_its_four_matrices() -> None:
    mask = ones(BERT_BASE)
    mask.heads[3, 5] = False
    smaller = pruned(BERT_BASE, mask)
    assert smaller.heads == (12, 12, 12, 11, *(12,) * 8)
    assert parameters(BERT_BASE) - parameters(smaller) == 4 * 768 * 64 + 3 * 64


def test_removing_a_layers_last_neuron_removes_the_output_bias_too() -> None:
    mask = ones(BERT_BASE)
    mask.neurons[0] = False
    lost = parameters(BERT_BASE) - parameters(pruned(BERT_BASE, mask))
    assert lost == 2 * 768 * 3072 + 3072 + 768


@given(seed=st.integers(0, 2**32), share=st.floats(0, 1), tokens=st.integers(1, 512))
def test_keeping_less_never_costs_more(seed: int, share: float, tokens: int) -> None:
    rng, mask = np.random.default_rng(seed), ones(BERT_BASE)
    mask.heads &= rng.random(mask.heads.shape) < share
    mask.neurons &= rng.random(mask.neurons.shape) < share
    smaller = pruned(BERT_BASE, mask)
    assert smaller.units == (mask.heads.sum(), mask.neurons.sum())
    assert parameters(smaller) <= parameters(BERT_BASE)
    assert flops(smaller, tokens) <= flops(BERT_BASE, tokens)


def test_a_shape_survives_json() -> None:
    assert ModelShape.from_json(json.loads(json.dumps(BERT_BASE.to_json()))) == BERT_BASE


def test_a_mask_of_another_shape_is_refused() -> None:
    mask = SimpleNamespace(heads=np.ones((12, 12), bool), neurons=np.ones((6, 3072), bool))
    with pytest.raises(Incompatible, match=r"\(6, 3072\).*\(12, 3072\)"):
        pruned(BERT_BASE, mask)


def test_a_shape_whose_layers_differ_has_no_grid() -> None:
    mask = ones(BERT_BASE)
    mask.heads[0, 0] = False
    with pytest.raises(Incompatible, match="The layers of this model differ"):
        pruned(BERT_BASE, mask).grid()
