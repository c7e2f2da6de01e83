"""Batches: every row exactly once, none too large, little padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from sparsekd.data import Batch, bucketed, packed

lengths = st.lists(st.integers(1, 128), max_size=300).map(lambda rows: np.array(rows, dtype=int))


def all_rows(batches):
    return sorted(row for batch in batches for row in batch.tolist())


@given(lengths, st.integers(1, 64), st.integers(0, 5), st.sampled_from([0.0, 0.1, 1.0]))
@settings(deadline=None)
def test_an_epoch_has_every_row_once_in_batches_no_larger_than_asked(lengths, size, seed, noise):
    batches = bucketed(lengths, size, np.random.default_rng(seed), noise)
    assert all_rows(batches) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)


@given(lengths, st.integers(1, 600))
@settings(deadline=None)
def test_packed_batches_hold_every_row_once_and_at_most_so_many_tokens(lengths, tokens):
    batches = packed(lengths, tokens)
    assert all_rows(batches) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= tokens


def test_an_epoch_is_the_same_for_the_same_seed_and_another_for_the_next():
    lengths = np.random.default_rng(0).integers(3, 60, 1000)
    one, same, other = (
        [batch.tolist() for batch in bucketed(lengths, 16, np.random.default_rng(seed))]
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_buckets_pad_far_less_than_chance_does():
    lengths = np.random.default_rng(0).integers(3, 60, 2000)

    def padded(batches):
        return sum(len(batch) * lengths[batch].max() for batch in batches)

    chance = np.split(np.random.default_rng(1).permutation(2000), 125)
    bucketed_tokens = padded(bucketed(lengths, 16, np.random.default_rng(0)))
    assert bucketed_tokens < 1.1 * lengths.sum() < padded(chance) / 1.5


def test_noise_gives_the_texts_of_a_small_set_other_batch_mates_at_little_padding():
    lengths = np.random.default_rng(0).integers(3, 60, 400)

    def met_again(noise):
        """The share of the pairs in a batch that are in one batch of the next epoch too."""
        epochs = [bucketed(lengths, 16, np.random.default_rng(seed), noise) for seed in (1, 2)]
        one, two = (
            {(a, b) for batch in batches for a in batch for b in batch if a < b}
            for batches in epochs
        )
        padded = sum(len(batch) * lengths[batch].max() for batch in epochs[0])
        return len(one & two) / len(one), padded / lengths.sum()

    (usual, tight), (mixed, loose) = met_again(0.0), met_again(0.1)
    assert usual > 0.6 and mixed < 0.4
    assert tight < loose < 1.15


SMALL = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.mark.parametrize(
    ("model", "segments"),
    [
        (BertForSequenceClassification(BertConfig(intermediate_size=8, **SMALL)), True),
        (RobertaForSequenceClassification(RobertaConfig(type_vocab_size=1, **SMALL)), False),
        (
            DistilBertForSequenceClassification(
                DistilBertConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8)
            ),
            False,
        ),
    ],
    ids=["bert", "roberta", "distilbert"],
)
def test_segments_go_only_to_models_that_have_them(model, segments):
    words = torch.tensor([[2, 5, 3]])
    batch = Batch(np.array([0]), words, torch.ones_like(words), words * 0, torch.tensor([1]))
    inputs = batch.inputs(model)
    assert ("token_type_ids" in inputs) == segments
    assert model.eval()(**inputs).logits.shape == (1, 2)
