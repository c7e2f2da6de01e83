"""Attributions sum to what they explain, and equal captum's; log-odds by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import LayerConductance, LayerGradientXActivation
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.data import Batch
from sparsekd.errors import BadInput, Incompatible
from sparsekd.knowledge.attribution import gold_log_odds, log_odds, masked_words, of_tokens
from sparsekd.knowledge.rankings import from_data
from sparsekd.knowledge.rankings.conductance import conductances, embedded, embeddings
from sparsekd.models import architectures
from sparsekd.models.gates import Gates, frozen, gated, tapped
from sparsekd.models.pruning import prune
from sparsekd.units.masking import Mask
from tests.tiny_data import several_data, tiny_data

Tiny = Callable[..., PreTrainedModel]
GRADIENTS = AttributeParams(kind="gradient_activation")
STEPS = 6


def test_log_odds_of_three_numbers_by_hand():
    logits = torch.tensor([[1.0, 2.0, 0.5]])
    p = math.exp(2.0) / (math.exp(1.0) + math.exp(2.0) + math.exp(0.5))

    assert float(log_odds(logits, torch.tensor([1]))) == pytest.approx(math.log(p / (1 - p)))
    assert float(log_odds(logits[:, :1], torch.tensor([0]))) == 1.0


def test_words_are_masked_and_special_tokens_stay(tokenizer: PreTrainedTokenizerFast):
    ids = torch.tensor(tokenizer(["the film", "zzz"], padding=True)["input_ids"])
    names = ("[CLS]", "[SEP]", "[MASK]", "[PAD]")
    cls, sep, mask, pad = (tokenizer.convert_tokens_to_ids(name) for name in names)

    assert masked_words(ids, tokenizer).tolist() == [[cls, mask, mask, sep], [cls, mask, sep, pad]]


@pytest.mark.parametrize("labels", [1, 2, 3])
def test_token_values_sum_to_the_difference_within_the_delta(
    tiny: Tiny, architecture: str, labels: int, tokenizer: PreTrainedTokenizerFast
):
    model = tiny(architecture, labels=labels).double()
    batch = tiny_data(4, classes=labels).batch(np.array([2]))
    baseline = masked_words(batch.input_ids, tokenizer)
    found = of_tokens(model, batch, baseline, target=labels - 1)

    wanted = torch.tensor([labels - 1])
    with torch.no_grad():
        ends = [
            float(log_odds(model(**inputs).logits, wanted))
            for inputs in (batch.inputs(model), batch.inputs(model) | {"input_ids": baseline})
        ]
    assert found.output == pytest.approx(ends[0], abs=1e-5)
    assert found.start == pytest.approx(ends[1], abs=1e-5)
    assert found.values.sum() - found.delta == pytest.approx(ends[0] - ends[1], abs=1e-5)
    assert abs(found.delta) <= 0.01 * max(abs(ends[0] - ends[1]), 0.1) or found.steps == 128
    assert len(found.values) == batch.input_ids.shape[1]


def test_more_steps_come_closer(tiny: Tiny, tokenizer: PreTrainedTokenizerFast):
    model, batch = tiny().double(), tiny_data(1).batch(np.arange(1))
    baseline = masked_words(batch.input_ids, tokenizer)
    few, many = (of_tokens(model, batch, baseline, 1, steps) for steps in (2, 256))

    assert abs(many.delta) < abs(few.delta)
    assert (few.steps, many.steps) == (2, 256)


def test_a_masked_model_has_attributions_of_its_own(tiny: Tiny, tokenizer: PreTrainedTokenizerFast):
    model, batch = tiny(), tiny_data(1).batch(np.arange(1))
    baseline = masked_words(batch.input_ids, tokenizer)
    mask = Mask.full((2, 3, 20))
    mask.heads[1, :2] = False
    mask.neurons[0, ::2] = False

    with gated(model, mask):
        masked = of_tokens(model, batch, baseline, 1, STEPS)
    pruned = of_tokens(prune(model, mask), batch, baseline, 1, STEPS)
    whole = of_tokens(model, batch, baseline, 1, STEPS)

    np.testing.assert_allclose(masked.values, pruned.values, atol=1e-4)
    assert not np.allclose(masked.values, whole.values, atol=1e-2)


def test_conductance_is_captum_s(tiny: Tiny, architecture: str, tokenizer: PreTrainedTokenizerFast):
    model, batch = tiny(architecture).double(), tiny_data(3).batch(np.arange(3))
    baseline = masked_words(batch.input_ids, tokenizer)
    with frozen(model), tapped(model) as taps:
        heads, neurons = conductances(model, batch, baseline, taps, STEPS)

    masked = Batch(batch.rows, baseline, *list(vars(batch).values())[2:])
    ends = [embeddings(model, each) for each in (batch, masked)]

    def output(values: torch.Tensor, mask: torch.Tensor, segments: torch.Tensor, y: torch.Tensor):
        ids = batch.input_ids.repeat(len(values) // len(batch), 1)
        seen = Batch(batch.rows, ids, mask, segments, y)
        with embedded(model, values):
            return log_odds(model(**seen.inputs(model)).logits, y)

    beside = (batch.attention_mask, batch.token_type_ids, batch.labels)
    for number, layer in enumerate(architectures.layers(model)):
        for site, own, columns in (
            (layer.head_site, heads, layer.head_size),
            (layer.neuron_site, neurons, 1),
        ):
            theirs = LayerConductance(output, site).attribute(
                ends[0], baselines=ends[1], additional_forward_args=beside, n_steps=STEPS,
                attribute_to_layer_input=True,
            )  # fmt: skip
            per_unit = theirs.sum(dim=1).reshape(len(batch), -1, columns).sum(dim=2)
            torch.testing.assert_close(own[number], per_unit, rtol=1e-6, atol=1e-9)


def test_mean_conductance_is_the_mean_of_absolute_values(
    tiny: Tiny, tokenizer: PreTrainedTokenizerFast
):
    model, data = tiny(), tiny_data(7)
    heads, neurons = from_data(model, data, tokenizer, AttributeParams(steps=STEPS))
    batch = data.batch(np.arange(7))
    with frozen(model), tapped(model) as taps:
        each = conductances(model, batch, masked_words(batch.input_ids, tokenizer), taps, STEPS)

    np.testing.assert_allclose(heads, torch.stack(each[0]).abs().mean(1), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(neurons, torch.stack(each[1]).abs().mean(1), rtol=1e-3, atol=1e-5)


def test_gradient_times_activation_is_captum_s(
    tiny: Tiny, architecture: str, tokenizer: PreTrainedTokenizerFast
):
    model, data = tiny(architecture), tiny_data(6)
    heads, neurons = from_data(model, data, tokenizer, GRADIENTS)

    batch = data.batch(np.arange(6))
    segments = batch.token_type_ids

    def output(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        seen = Batch(batch.rows, ids, mask, segments, batch.labels)
        return log_odds(model(**seen.inputs(model)).logits, batch.labels)

    for number, layer in enumerate(architectures.layers(model)):
        theirs = LayerGradientXActivation(output, layer.neuron_site).attribute(
            batch.input_ids, additional_forward_args=(batch.attention_mask,),
            attribute_to_layer_input=True,
        )  # fmt: skip
        expected = theirs.sum(dim=1).abs().mean(dim=0).detach()
        np.testing.assert_allclose(neurons[number], expected, rtol=1e-3, atol=1e-5)
    assert heads.shape == (2, 3)


def test_pruned_models_and_empty_data_are_refused(tiny: Tiny, tokenizer: PreTrainedTokenizerFast):
    mask = Mask.full((2, 3, 20))
    mask.heads[0, 0] = False
    with pytest.raises(Incompatible, match="differ"):
        from_data(prune(tiny(), mask), tiny_data(2), tokenizer, GRADIENTS)
    with pytest.raises(BadInput, match="no examples"):
        none = tiny_data(2).select(np.array([], dtype=np.int64))
        from_data(tiny(), none, tokenizer, GRADIENTS)


def test_the_log_odds_of_one_of_several_labels_is_its_logit():
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.1, 3.0, -2.0]])
    found = log_odds(logits, torch.tensor([2, 0]), multilabel=True)
    share = torch.sigmoid(logits)
    by_hand = torch.log(share / (1 - share))[[0, 1], [2, 0]]
    torch.testing.assert_close(found, by_hand)
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    right = torch.where(labels > 0, share, 1 - share)
    expected = torch.log(right / (1 - right)).mean(1)
    torch.testing.assert_close(gold_log_odds(logits, labels), expected)


def test_the_ranking_of_several_labels_is_that_of_multiplied_gates(tiny, tokenizer):
    teacher = tiny(labels=3, problem_type="multi_label_classification").double()
    data = several_data(8)
    found = from_data(teacher, data, tokenizer, GRADIENTS)
    heads, neurons = 0, 0
    for row in range(8):
        batch, gates = data.batch(np.array([row])), Gates.open(teacher)
        gates.heads.requires_grad_()
        gates.neurons.requires_grad_()
        with gated(teacher, gates):
            logits = teacher(**batch.inputs(teacher)).logits[0]
        right = torch.where(batch.labels[0] > 0, logits, -logits)
        right.mean().backward()
        heads, neurons = heads + gates.heads.grad.abs(), neurons + gates.neurons.grad.abs()
    np.testing.assert_allclose(found[0], heads.numpy() / 8, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found[1], neurons.numpy() / 8, rtol=1e-4, atol=1e-7)


def test_tokens_of_several_labels_explain_the_logit_of_one(tiny, tokenizer):
    """Where the classifier has one label's row alone, the others change nothing."""
    model = tiny(labels=3, problem_type="multi_label_classification")
    batch = tiny_data(1).batch(np.array([0]))
    baseline = masked_words(batch.input_ids, tokenizer)
    found = of_tokens(model, batch, baseline, 1, STEPS)
    last = architectures.classifier(model)
    with torch.no_grad():
        last.weight[[0, 2]] = 0
    alone = of_tokens(model, batch, baseline, 1, STEPS)
    np.testing.assert_allclose(found.values, alone.values, rtol=1e-5)
    with torch.no_grad():
        expected = float(model(**batch.inputs(model)).logits[0, 1])
    assert found.output == pytest.approx(expected, abs=1e-5)
