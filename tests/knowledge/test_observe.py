"""A model shows what was asked for, and never silently less."""

import numpy as np
import pytest
import torch

from sparsekd.errors import Incompatible, NotFound
from sparsekd.knowledge import observe
from sparsekd.knowledge.observe import INTERNAL_STATES
from sparsekd.models.gates import cls_only, tapped
from sparsekd.models.pruning import prune
from sparsekd.units.masking import Mask
from tests.tiny_data import padded, tiny_data

BATCH = tiny_data(4).batch(range(4))


def test_only_the_logits_are_kept_unless_more_is_asked_for(tiny, architecture):
    model = tiny(architecture)
    seen = observe(model, BATCH)
    torch.testing.assert_close(seen.logits, model(**BATCH.inputs(model)).logits)
    assert not any(seen.of(kind) for kind in INTERNAL_STATES)


def test_only_the_layers_asked_for_are_kept(tiny):
    seen = observe(tiny(layers=3), BATCH, {"hidden": (1, 3), "values": (2,)})
    assert (set(seen.hidden), set(seen.values), set(seen.cls)) == ({1, 3}, {2}, set())


def test_hidden_states_are_what_transformers_says(tiny, architecture):
    model = tiny(architecture, layers=3)
    seen = observe(model, BATCH, {"hidden": (0, 1, 2, 3), "cls": (0, 3)})
    told = model(**BATCH.inputs(model), output_hidden_states=True).hidden_states
    for layer, state in enumerate(told):
        assert torch.equal(seen.hidden[layer], state)
    for layer in (0, 3):
        assert torch.equal(seen.cls[layer], told[layer][:, 0])


def test_attention_is_what_eager_attention_says(tiny, architecture):
    fused = tiny(architecture, attn_implementation="sdpa")
    eager = tiny(architecture, attn_implementation="eager")
    wide = padded(BATCH, 2)
    seen = observe(fused, wide, {"attention": (1, 2)})
    told = eager(**wide.inputs(eager), output_attentions=True).attentions
    real = wide.attention_mask.bool()[:, None, :, None]
    for layer, rows in enumerate(told, start=1):
        torch.testing.assert_close(seen.attention[layer] * real, rows * real, rtol=1e-4, atol=1e-5)
        assert seen.attention[layer][..., -2:].abs().max() == 0


def test_attention_is_the_softmax_of_the_scores(tiny, architecture):
    model = tiny(architecture)
    seen = observe(model, BATCH, {"attention": (2,), "scores": (2,)})
    hidden = ~BATCH.attention_mask.bool()[:, None, None]
    scores = seen.scores[2].masked_fill(hidden, -torch.inf)
    torch.testing.assert_close(torch.softmax(scores, -1), seen.attention[2])


def test_values_weighted_by_attention_are_the_heads_context(tiny, architecture):
    model = tiny(architecture)
    with tapped(model) as taps:
        seen = observe(model, BATCH, {"attention": (1, 2), "values": (1, 2)})
    for layer, context in enumerate(taps.heads, start=1):
        by_hand = (seen.attention[layer] @ seen.values[layer]).transpose(1, 2).flatten(2)
        torch.testing.assert_close(by_hand, context, rtol=1e-4, atol=1e-5)


def test_what_is_seen_does_not_change_when_the_last_layer_serves_cls_only(tiny, architecture):
    model = tiny(architecture)
    needs = {"cls": (1, 2), "attention": (1, 2), "scores": (2,), "values": (2,)}
    whole = observe(model, BATCH, needs)
    with cls_only(model):
        cut = observe(model, BATCH, needs)
    for kind, layers in needs.items():
        for layer in layers:
            torch.testing.assert_close(
                whole.of(kind)[layer], cut.of(kind)[layer], rtol=1e-4, atol=1e-5
            )


def test_gradients_flow_into_what_was_seen(tiny):
    model = tiny().train()
    seen = observe(model, BATCH, {kind: (1,) for kind in INTERNAL_STATES})
    for kind in INTERNAL_STATES:
        weight = model.bert.embeddings.word_embeddings.weight
        (slope,) = torch.autograd.grad(seen.of(kind)[1].square().sum(), weight, retain_graph=True)
        assert slope.abs().max() > 0, kind


def test_an_unknown_need_is_named(tiny):
    with pytest.raises(NotFound, match="hidden"):
        observe(tiny(), BATCH, {"hiden": (1,)})


@pytest.mark.parametrize("needs", [{"cls": (3,)}, {"attention": (0,)}, {"values": (-1,)}])
def test_a_layer_that_is_not_there_is_refused(tiny, needs):
    with pytest.raises(Incompatible, match="There is no layer"):
        observe(tiny(layers=2), BATCH, needs)


def test_heads_of_a_layer_without_any_are_refused(tiny):
    model = tiny(layers=2, heads=3, neurons=20)
    heads = np.array([[True, True, False], [False, False, False]])
    pruned = prune(model, Mask(heads, np.ones((2, 20), dtype=bool)))
    seen = observe(pruned, BATCH, {"attention": (1,), "hidden": (2,)})
    assert seen.attention[1].shape[1] == 2
    with pytest.raises(Incompatible, match="Layer 2 has no heads left"):
        observe(pruned, BATCH, {"attention": (2,)})


def test_scores_are_in_float32_inside_the_bfloat16_of_a_training(tiny):
    batch = tiny_data(3).batch(range(3))
    with torch.autocast("cpu", torch.bfloat16):
        scores = observe(tiny(), batch, {"scores": (2,)}).scores[2]
    products = scores * 8**0.5  # heads of size 8
    in_bfloat16 = torch.isclose(products, products.bfloat16().float(), rtol=1e-5, atol=0)
    assert in_bfloat16.float().mean() < 0.1
