"""Gates, taps and the [CLS]-only last layer, on tiny models of every layout."""

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sparsekd.errors import Incompatible
from sparsekd.models import architectures
from sparsekd.models.gates import Gates, cls_only, frozen, gated, tapped
from sparsekd.models.pruning import prune

Make = Callable[..., Any]


def mask_of(model: Any, closed_heads: list[tuple], closed_neurons: list[tuple]) -> SimpleNamespace:
    layers, heads, neurons = architectures.shape(model).grid()
    mask = SimpleNamespace(
        heads=np.ones((layers, heads), bool), neurons=np.ones((layers, neurons), bool)
    )
    for cell in closed_heads:
        mask.heads[cell] = False
    for cell in closed_neurons:
        mask.neurons[cell] = False
    return mask


@torch.no_grad()
def logits(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return model(**batch).logits


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())


# Written out once more, by hand, so that a wrong path in the product cannot agree with itself.
OUTPUTS = {
    "bert": ("bert.encoder.layer.1.attention.output.dense", "bert.encoder.layer.0.output.dense"),
    "roberta": (
        "roberta.encoder.layer.1.attention.output.dense",
        "roberta.encoder.layer.0.output.dense",
    ),
    "electra": (
        "electra.encoder.layer.1.attention.output.dense",
        "electra.encoder.layer.0.output.dense",
    ),
    "distilbert": (
        "distilbert.transformer.layer.1.attention.out_lin",
        "distilbert.transformer.layer.0.ffn.lin2",
    ),
}


def test_a_closed_unit_equals_its_output_weights_set_to_zero(
    architecture: str, tiny: Make, inputs: Make
) -> None:
    model = tiny(architecture)
    batch = inputs(model)
    head_site, neuron_site = OUTPUTS[architecture]
    by_hand = copy.deepcopy(model)
    by_hand.get_submodule(head_site).weight.data[:, 8:16] = 0.0
    by_hand.get_submodule(neuron_site).weight.data[:, [3, 7]] = 0.0
    with gated(model, mask_of(model, [(1, 1)], [(0, 3), (0, 7)])):
        closed = logits(model, batch)
    torch.testing.assert_close(closed, logits(by_hand, batch), atol=1e-5, rtol=1e-5)
    assert (closed - logits(model, batch)).abs().max() > 1e-3


def test_a_layer_without_units_loses_its_output_bias_too(
    architecture: str, tiny: Make, inputs: Make
) -> None:
    model = tiny(architecture)
    batch = inputs(model)
    by_hand = copy.deepcopy(model)
    for site in OUTPUTS[architecture]:
        by_hand.get_submodule(site).weight.data.zero_()
        by_hand.get_submodule(site).bias.data.zero_()
    with gated(model, mask_of(model, [(1,)], [(0,)])):
        closed = logits(model, batch)
    torch.testing.assert_close(closed, logits(by_hand, batch), atol=1e-5, rtol=1e-5)


def test_open_gates_change_nothing(architecture: str, tiny: Make, inputs: Make) -> None:
    model = tiny(architecture)
    batch = inputs(model)
    expected = logits(model, batch)
    with gated(model, mask_of(model, [], [])):
        assert torch.equal(logits(model, batch), expected)
    with gated(model, Gates.open(model)):
        torch.testing.assert_close(logits(model, batch), expected)


def test_hooks_are_gone_afterwards_even_after_an_error(tiny: Make, inputs: Make) -> None:
    model = tiny()
    before = hooks(model)
    with (
        pytest.raises(RuntimeError),
        gated(model, mask_of(model, [(0, 0)], [])),
        tapped(model),
        cls_only(model),
        frozen(model),
    ):
        assert hooks(model) > before
        raise RuntimeError
    assert hooks(model) == before
    assert all(weight.requires_grad for weight in model.parameters())


def test_nested_masks_close_what_either_closes(tiny: Make, inputs: Make) -> None:
    model = tiny()
    batch = inputs(model)
    with gated(model, mask_of(model, [(0, 1), (1, 2)], [(0, 5)])):
        both = logits(model, batch)
    with (
        gated(model, mask_of(model, [(0, 1)], [(0, 5)])),
        gated(model, mask_of(model, [(1, 2)], [])),
    ):
        torch.testing.assert_close(logits(model, batch), both)


def test_a_mask_of_another_shape_is_refused_with_both_shapes(tiny: Make) -> None:
    model, other = tiny(), tiny(layers=3, neurons=12)
    with (
        pytest.raises(Incompatible, match=r"\(3, 3\).*\(3, 12\).*\(2, 3\).*\(2, 20\)"),
        gated(model, mask_of(other, [], [])),
    ):
        pass


def test_a_pruned_model_whose_layers_differ_cannot_be_masked(tiny: Make) -> None:
    model = tiny()
    smaller = prune(model, mask_of(model, [(0, 1)], []))
    with (
        pytest.raises(Incompatible, match=r"heads \[2, 3\]"),
        gated(smaller, mask_of(model, [], [])),
    ):
        pass


def test_a_pruned_model_whose_layers_agree_can_be_masked_again(
    architecture: str, tiny: Make, inputs: Make
) -> None:
    model = tiny(architecture)
    batch = inputs(model)
    smaller = prune(model, mask_of(model, [(0, 1), (1, 0)], [(0, 2), (1, 3)]))
    with gated(smaller, mask_of(smaller, [(1, 1)], [(0, 2)])):
        again = logits(smaller, batch)
    with gated(model, mask_of(model, [(0, 1), (1, 0), (1, 2)], [(0, 2), (0, 3), (1, 3)])):
        torch.testing.assert_close(again, logits(model, batch), atol=1e-5, rtol=1e-5)


def test_only_the_cls_row_of_the_last_layer_decides_the_logits(
    architecture: str, tiny: Make, inputs: Make
) -> None:
    model = tiny(architecture, labels=3)
    batch = inputs(model)
    expected = logits(model, batch)
    rows: list[int] = []
    last = architectures.layers(model)[-1]
    spy = last.neuron_site.register_forward_hook(lambda _m, _i, out: rows.append(out.shape[1]))
    with cls_only(model):
        torch.testing.assert_close(logits(model, batch), expected, atol=1e-6, rtol=1e-6)
    spy.remove()
    assert rows == [1]


@pytest.mark.parametrize(("heads", "neurons"), [([(1,)], []), ([], [(1,)]), ([(1,)], [(1,)])])
def test_cls_only_agrees_where_the_last_layer_was_pruned_away(
    architecture: str, heads: list, neurons: list, tiny: Make, inputs: Make
) -> None:
    dense = tiny(architecture)
    model = prune(dense, mask_of(dense, heads, neurons))
    batch = inputs(model)
    expected = logits(model, batch)
    with cls_only(model):
        torch.testing.assert_close(logits(model, batch), expected, atol=1e-6, rtol=1e-6)


def test_cls_only_gives_every_weight_the_same_gradient(
    architecture: str, tiny: Make, inputs: Make
) -> None:
    model = tiny(architecture)
    batch = inputs(model)
    model(**batch).logits.square().sum().backward()
    expected = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    with cls_only(model):
        model(**batch).logits.square().sum().backward()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("short", [False, True])
def test_tap_gradients_equal_the_gradients_of_the_gates(
    architecture: str, short: bool, tiny: Make, inputs: Make
) -> None:
    model = tiny(architecture, labels=3)
    batch = inputs(model)
    gates = Gates.open(model)
    gates.heads.requires_grad_()
    gates.neurons.requires_grad_()
    with gated(model, gates):
        loss = model(**batch).logits.log_softmax(-1)[:, 1].sum()
    heads, neurons = torch.autograd.grad(loss, [gates.heads, gates.neurons])

    with frozen(model), tapped(model) as taps, cls_only(model) if short else frozen(model):
        loss = model(**batch).logits.log_softmax(-1)[:, 1].sum()
        gradients = torch.autograd.grad(loss, taps.tensors())
    by_head, by_neuron = taps.gate_gradients(gradients)
    torch.testing.assert_close(torch.stack(by_head).sum(dim=1), heads, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(torch.stack(by_neuron).sum(dim=1), neurons, atol=1e-5, rtol=1e-4)
    assert [each.shape for each in by_head] == [(3, 3), (3, 3)]


def test_a_tap_gradient_equals_a_finite_difference_of_the_gate(
    architecture: str, tiny: Make, inputs: Make
) -> None:
    model = tiny(architecture).double()
    batch = inputs(model)
    step = 1e-5

    def logit(value: float) -> torch.Tensor:
        gates = Gates.open(model)
        gates.heads[1, 0] = value
        with gated(model, gates):
            return logits(model, batch)[:, 0]

    slope = (logit(1 + step) - logit(1 - step)) / (2 * step)
    with frozen(model), tapped(model) as taps:
        gradients = torch.autograd.grad(model(**batch).logits[:, 0].sum(), taps.tensors())
    torch.testing.assert_close(taps.gate_gradients(gradients)[0][1][:, 0], slope, rtol=1e-6, atol=0)


def test_backward_stops_at_the_first_tap_and_touches_no_weight(tiny: Make, inputs: Make) -> None:
    model = tiny()
    with frozen(model), tapped(model) as taps:
        model(**inputs(model)).logits.sum().backward()
    assert [tap.is_leaf for tap in taps.tensors()] == [True, False, False, False]
    assert taps.heads[0].grad is not None
    assert all(weight.grad is None for weight in model.parameters())
    assert all(weight.requires_grad for weight in model.parameters())


def test_taps_hold_the_last_forward_alone(tiny: Make, inputs: Make) -> None:
    model = tiny(layers=3)
    with frozen(model), tapped(model) as taps:
        model(**inputs(model, examples=2))
        model(**inputs(model, examples=5, tokens=4))
    assert [tuple(tap.shape) for tap in taps.heads] == [(5, 4, 24)] * 3
    assert [tuple(tap.shape) for tap in taps.neurons] == [(5, 4, 20)] * 3


def test_taps_of_a_pruned_model_have_each_layers_own_width(tiny: Make, inputs: Make) -> None:
    dense = tiny()
    model = prune(dense, mask_of(dense, [(0,)], [(1, 4)]))
    with frozen(model), cls_only(model), tapped(model) as taps:
        gradients = torch.autograd.grad(model(**inputs(model)).logits.sum(), taps.tensors())
    heads, neurons = taps.gate_gradients(gradients)
    assert [tuple(each.shape) for each in heads] == [(3, 0), (3, 3)]
    assert [tuple(each.shape) for each in neurons] == [(3, 20), (3, 19)]


def test_frozen_leaves_weights_frozen_that_were_frozen_before(tiny: Make) -> None:
    model = tiny()
    model.base_model.embeddings.requires_grad_(False)
    with frozen(model):
        assert not any(weight.requires_grad for weight in model.parameters())
    assert not any(w.requires_grad for w in model.base_model.embeddings.parameters())
    assert architectures.classifier(model).weight.requires_grad
