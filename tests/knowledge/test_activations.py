"""Attention of heads and tokens of the highest activation, against transformers and slow loops."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from sparsekd.errors import BadInput
from sparsekd.knowledge.activations import attention, attention_by_head, top_tokens
from sparsekd.models import architectures
from sparsekd.models.gates import gated, tapped
from sparsekd.models.pruning import prune
from sparsekd.units.masking import Mask
from tests.tiny_data import tiny_data

Tiny = Callable[..., PreTrainedModel]


def test_attention_is_what_eager_transformers_says(tiny: Tiny, architecture: str):
    model = tiny(architecture)
    batch = tiny_data(3).batch(np.arange(3))
    found, logits = attention(model, batch)

    model.set_attn_implementation("eager")
    with torch.no_grad():
        seen = model(**batch.inputs(model), output_attentions=True)
    real = batch.attention_mask.bool()[:, None, :, None]  # a padded query's row means nothing
    for own, theirs in zip(found, seen.attentions, strict=True):
        torch.testing.assert_close(own * real, theirs * real)
    torch.testing.assert_close(logits, seen.logits)


def test_attention_of_a_pruned_model_is_at_the_heads_of_the_dense_one(tiny: Tiny):
    model, batch = tiny(), tiny_data(1).batch(np.arange(1))
    mask = Mask.full((2, 3, 20))
    mask.heads[0, 1] = False
    mask.heads[1] = False
    found, _ = attention(prune(model, mask), batch)
    whole = attention_by_head(found, [np.flatnonzero(row) for row in mask.heads], 3)

    with gated(model, mask):
        expected, _ = attention(model, batch)
    np.testing.assert_allclose(whole[0, [0, 2]], expected[0][0, [0, 2]], rtol=1e-5)
    assert np.isnan(whole[0, 1]).all()
    assert np.isnan(whole[1]).all()


def test_the_tokens_of_highest_activation_are_found_among_all(tiny: Tiny, architecture: str):
    model, data = tiny(architecture), tiny_data(9)
    values, places = top_tokens(model, data, layer=1, most=4)

    everywhere = []
    for row in range(len(data)):
        batch = data.batch(np.array([row]))
        with torch.no_grad(), tapped(model) as taps:
            model(**batch.inputs(model))
        everywhere.append(taps.neurons[1][0])
    flat = torch.cat(everywhere)  # (all tokens, F), in the data's order
    expected, chosen = flat.topk(4, dim=0)
    np.testing.assert_allclose(values, expected.T, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(places, chosen.T)


def test_all_tokens_are_returned_where_there_are_fewer(tiny: Tiny):
    data = tiny_data(1)
    values, places = top_tokens(tiny(), data, layer=0, most=500)

    assert values.shape == (20, data.lengths.sum())
    assert set(places[0]) == set(range(data.lengths.sum()))


def test_a_layer_that_is_not_there_is_refused(tiny: Tiny):
    with pytest.raises(BadInput, match="no layer 2"):
        top_tokens(tiny(), tiny_data(2), layer=2, most=1)


def test_no_hook_is_left_on_the_model(tiny: Tiny):
    model, batch = tiny(), tiny_data(2).batch(np.arange(2))
    attention(model, batch)
    top_tokens(model, tiny_data(2), 0, 1)

    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    assert architectures.layers(model)[0].heads == 3
