"""A model shows what was asked for, and never silently less."""

import pytest
import torch

from sparsekd.errors import Incompatible, NotFound
from sparsekd.knowledge import observe
from sparsekd.knowledge.observe import showing
from tests.tiny_data import padded, tiny_data

BATCH = tiny_data(4).batch(range(4))


def test_only_the_logits_are_kept_unless_more_is_asked_for(tiny, architecture):
    model = tiny(architecture)
    seen = observe(model, BATCH)
    torch.testing.assert_close(seen.logits, model(**BATCH.inputs(model)).logits)
    assert (seen.hidden, seen.attention, seen.values) == ((), (), ())


def test_hidden_states_begin_with_the_embeddings(tiny, architecture):
    model = tiny(architecture, layers=3)
    seen = observe(model, BATCH, frozenset({"hidden"}))
    assert [each.shape for each in seen.hidden] == [(4, BATCH.input_ids.shape[1], 24)] * 4


def test_attention_rows_are_probabilities_over_real_tokens(tiny, architecture):
    model, needs = tiny(architecture), frozenset({"attention"})
    with showing([model], needs):
        seen = observe(model, padded(BATCH, 2), needs)
    assert len(seen.attention) == 2
    for rows in seen.attention:
        torch.testing.assert_close(rows.sum(-1), torch.ones(rows.shape[:-1]))
        assert rows[..., -2:].abs().max() == 0


def test_fused_attention_is_refused_instead_of_shown_as_nothing(tiny, architecture):
    model = tiny(architecture, attn_implementation="sdpa")
    with pytest.raises(Incompatible, match="attention of 0 layers"):
        observe(model, BATCH, frozenset({"attention"}))


def test_the_attention_implementation_is_put_back(tiny):
    model = tiny(attn_implementation="sdpa")
    with showing([model], frozenset({"attention"})):
        assert model.config._attn_implementation == "eager"
    assert model.config._attn_implementation == "sdpa"


def test_values_weighted_by_attention_are_the_heads_context(tiny, architecture):
    from sparsekd.models.gates import tapped

    model, needs = tiny(architecture), frozenset({"attention", "values"})
    with showing([model], needs), tapped(model) as taps:
        seen = observe(model, BATCH, needs)
    for rows, values, context in zip(seen.attention, seen.values, taps.heads, strict=True):
        by_hand = (rows @ values).transpose(1, 2).flatten(2)
        torch.testing.assert_close(by_hand, context, rtol=1e-4, atol=1e-5)


def test_an_unknown_need_is_named(tiny):
    with pytest.raises(NotFound, match="hidden"):
        observe(tiny(), BATCH, frozenset({"hiden"}))
