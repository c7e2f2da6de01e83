"""A physically pruned model gives the gated model's logits."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparsekd.errors import Incompatible
from sparsekd.models import architectures
from sparsekd.models.gates import gated
from sparsekd.models.loading import load_saved, save
from sparsekd.models.pruning import prune
from sparsekd.units.shape import parameters, pruned
from tests.conftest import ARCHITECTURES, tiny_inputs, tiny_model, tiny_tokenizer

MODELS = {name: tiny_model(name, layers=3) for name in ARCHITECTURES}


@st.composite
def masks(draw: Any) -> SimpleNamespace:
    """Draw masks of 3 layers, which often have no unit in one block or in both."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.floats(0, 1))
    mask = SimpleNamespace(heads=rng.random((3, 3)) < share, neurons=rng.random((3, 20)) < share)
    mask.heads[draw(st.lists(st.integers(0, 2), max_size=3))] = False
    mask.neurons[draw(st.lists(st.integers(0, 2), max_size=3))] = False
    return mask


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@pytest.mark.parametrize("name", ARCHITECTURES)
@given(mask=masks())
@torch.no_grad()
def test_pruned_and_gated_models_give_the_same_logits(name: str, mask: SimpleNamespace) -> None:
    model = MODELS[name]
    batch = tiny_inputs(model)
    smaller = prune(model, mask)
    with gated(model, mask):
        expected = model(**batch).logits
    torch.testing.assert_close(smaller(**batch).logits, expected, atol=1e-5, rtol=1e-5)
    shape = architectures.shape(smaller)
    assert shape == pruned(architectures.shape(model), mask)
    assert parameters(shape) == sum(weight.numel() for weight in smaller.parameters())


def test_pruning_leaves_the_model_itself_alone(architecture: str) -> None:
    model = tiny_model(architecture)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    mask = SimpleNamespace(heads=np.eye(2, 3, dtype=bool), neurons=np.zeros((2, 20), bool))
    smaller = prune(model, mask)
    assert type(smaller) is type(model)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    assert {id(weight) for weight in smaller.parameters()}.isdisjoint(map(id, model.parameters()))


def test_a_pruned_model_has_the_gradients_of_the_gated_one(architecture: str) -> None:
    model, labels = tiny_model(architecture), torch.tensor([0, 1, 1])
    mask = SimpleNamespace(heads=np.zeros((2, 3), bool), neurons=np.eye(2, 20, dtype=bool))
    mask.heads[1, 2] = True
    smaller = prune(model, mask)
    smaller(**tiny_inputs(model), labels=labels).loss.backward()
    with gated(model, mask):
        model(**tiny_inputs(model), labels=labels).loss.backward()
    pruned, whole = (architectures.layers(each)[1] for each in (smaller, model))
    torch.testing.assert_close(pruned.query.weight.grad, whole.query.weight.grad[16:24])
    torch.testing.assert_close(pruned.expansion.weight.grad, whole.expansion.weight.grad[1:2])


def test_a_mask_of_another_model_is_refused() -> None:
    mask = SimpleNamespace(heads=np.ones((2, 3), bool), neurons=np.ones((2, 21), bool))
    with pytest.raises(Incompatible, match=r"\(2, 21\)"):
        prune(tiny_model(), mask)


def test_fused_attention_never_meets_a_layer_without_heads(
    architecture: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fused = torch.nn.functional.scaled_dot_product_attention
    met: list[int] = []

    def spy(query: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        met.append(query.shape[1])
        return fused(query, *rest, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    mask = SimpleNamespace(heads=np.ones((3, 3), bool), neurons=np.ones((3, 20), bool))
    mask.heads[1] = False
    smaller = prune(MODELS[architecture], mask)
    save(smaller, tiny_tokenizer(), tmp_path / "model")
    for model in (smaller, load_saved(tmp_path / "model")[0]):
        model(**tiny_inputs(model))
    assert met == [3, 3, 3, 3]
