"""The contract of a model family: a family is complete when its tiny model passes it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    AutoConfig,
    BertForSequenceClassification,
    BertModel,
    ModernBertConfig,
    PreTrainedModel,
)
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING

from sparsekd import checkpoints
from sparsekd.catalog import families
from sparsekd.catalog.families import FAMILIES
from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.data import Batch, Encoded
from sparsekd.errors import Incompatible
from sparsekd.knowledge.observe import observe
from sparsekd.knowledge.rankings.conductance import embedded, embeddings
from sparsekd.knowledge.scores import stream
from sparsekd.models import architectures, exporting
from sparsekd.models.gates import Gates, cls_only, gated
from sparsekd.models.loading import load, load_saved, save
from sparsekd.models.prefix import recorded, resumed
from sparsekd.models.pruning import prune
from sparsekd.models.stacked import Stack
from sparsekd.models.students import untrained, with_layers
from sparsekd.models.timing import full_inputs
from sparsekd.units.shape import parameters
from tests.conftest import tiny_inputs, tiny_model, tiny_tokenizer

CLOSE = {"atol": 1e-5, "rtol": 1e-5}

every_family = pytest.mark.parametrize("family", FAMILIES)


@torch.no_grad()
def logits(model: PreTrainedModel, **inputs: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = model(**(inputs or tiny_inputs(model))).logits
    return found


def tiny_batch(model: PreTrainedModel) -> Batch:
    inputs = tiny_inputs(model)
    ids = inputs["input_ids"]
    return Batch(np.arange(3), **inputs, token_type_ids=ids * 0, labels=torch.zeros(3).long())


def holed() -> SimpleNamespace:
    """Return a mask with a layer without heads, one without neurons, and gaps elsewhere."""
    rng = np.random.default_rng(1)
    mask = SimpleNamespace(heads=rng.random((3, 3)) < 0.6, neurons=rng.random((3, 20)) < 0.6)
    mask.heads[1], mask.neurons[2] = False, False
    mask.heads[0] = [False, True, True]
    return mask


# --- the contract ----------------------------------------------------------------------------


@every_family
def test_its_shape_and_parameters_are_the_model_s(family: str) -> None:
    model = tiny_model(family, labels=5, layers=4)
    shape = architectures.shape(model)
    assert shape.architecture == family
    assert families.find(family).head == tuple(
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and f"{families.find(family).layers}." not in name
        if "embeddings_project" not in name
    )
    assert families.find(family).prefix == model.base_model_prefix
    assert shape.grid() == (4, 3, 20)
    assert (shape.hidden, shape.head_size, shape.classes, shape.vocabulary) == (24, 8, 5, 40)
    assert shape.positions == 64
    assert parameters(shape) == sum(weight.numel() for weight in model.parameters())
    architectures.check_sizes(model)


@every_family
def test_gated_pruned_and_exported_models_agree(family: str, tmp_path: Path) -> None:
    model, mask = tiny_model(family, layers=3), holed()
    inputs = tiny_inputs(model)
    with gated(model, mask):
        expected = logits(model)
    assert (expected - logits(model)).abs().max() > 1e-3
    smaller = prune(model, mask)
    torch.testing.assert_close(logits(smaller), expected, **CLOSE)
    torch.testing.assert_close(logits(exporting.widened(smaller, mask)), expected, **CLOSE)
    assert parameters(architectures.shape(smaller)) == sum(w.numel() for w in smaller.parameters())

    save(smaller, tiny_tokenizer(), tmp_path)
    (tmp_path / exporting.LOADER.name).write_bytes(exporting.LOADER.read_bytes())
    again, _ = load_saved(tmp_path)
    assert torch.equal(logits(again), logits(smaller))
    alone = exporting.reopened(tmp_path, "pruned")
    torch.testing.assert_close(alone(inputs), expected, **CLOSE)


@every_family
def test_its_layers_can_be_run_from_any_one_on_or_left_out(family: str) -> None:
    model = tiny_model(family, layers=3)
    expected = logits(model)
    with recorded(model) as calls:
        logits(model)
    for number, call in enumerate(calls):
        with resumed(model, number, call.arguments[0]):
            torch.testing.assert_close(logits(model), expected, **CLOSE)
    assert torch.equal(logits(model), expected)
    student = with_layers(model, [0, 2])
    assert len(architectures.blocks(student)) == student.config.num_hidden_layers == 2
    assert not torch.equal(logits(student), expected)


@every_family
def test_its_logits_depend_on_the_cls_row_of_the_last_layer_alone(family: str) -> None:
    model = tiny_model(family)
    expected, rows = logits(model), []
    last = architectures.layers(model)[-1]
    for site in (last.query, last.head_site, last.expansion, last.neuron_site):
        site.register_forward_hook(lambda _site, _inputs, out: rows.append(out.shape[1]))
    with cls_only(model):
        torch.testing.assert_close(logits(model), expected, **CLOSE)
    after = 1 if families.find(family).cls_cuts else 7
    assert rows == [7, after, after, after]


@every_family
def test_its_scores_are_the_gradients_of_its_gates(family: str) -> None:
    model = tiny_model(family, labels=3).double()
    rng = np.random.default_rng(0)
    starts = np.array([0, 4, 11, 16])  # lengths 4, 7 and 5
    ids = rng.integers(5, 40, 16).astype(np.int32)
    data = Encoded(ids, np.zeros(16, dtype=np.int8), starts, np.array([0, 2, 1]))
    batch, gates = data.batch(np.arange(3)), Gates.open(model)
    gates.heads.requires_grad_()
    gates.neurons.requires_grad_()
    with gated(model, gates):
        outputs = model(**batch.inputs(model)).logits
    torch.nn.functional.cross_entropy(outputs, batch.labels).backward()
    scores = stream(model, data, rng.normal(size=(3, 3)), ScoreParams(batch_size=3)).per_batch
    pairs = (
        (scores.head_expressiveness, gates.heads.grad),
        (scores.neuron_expressiveness, gates.neurons.grad),
    )
    for found, gradients in pairs:
        assert gradients is not None
        assert gradients.abs().max() > 1e-3
        np.testing.assert_allclose(found, gradients.abs().numpy(), rtol=1e-5, atol=1e-9)


@every_family
def test_its_word_mark_is_the_one_of_its_tokenizer(family: str) -> None:
    kind = TOKENIZER_MAPPING[type(AutoConfig.for_model(family))]
    splitter = kind().backend_tokenizer.pre_tokenizer
    second = splitter.pre_tokenize_str("good film")[1][0]
    assert second == families.find(family).word_mark + "film"


@every_family
def test_its_attention_is_what_eager_transformers_computes(family: str) -> None:
    model = tiny_model(family)
    batch = tiny_batch(model)
    found = observe(model, batch, {"attention": (1, 2)}).attention
    model.set_attn_implementation("eager")
    with torch.no_grad():
        known = model(**batch.inputs(model), output_attentions=True).attentions
    real = batch.attention_mask.bool()[:, None, :, None]  # rows of padded queries mean nothing
    for layer, expected in enumerate(known, start=1):
        torch.testing.assert_close(found[layer] * real, expected * real, **CLOSE)


@every_family
def test_its_logits_depend_on_the_ids_through_its_embeddings_alone(family: str) -> None:
    model, other = tiny_model(family), tiny_model(family, seed=1)
    batch = tiny_batch(model)
    others = batch.input_ids.roll(1, dims=1).clamp(min=5)
    batch.input_ids = torch.where(batch.attention_mask.bool(), others, 0)
    expected = logits(model, **batch.inputs(model))
    with embedded(model, embeddings(model, batch)):
        torch.testing.assert_close(logits(model), expected, **CLOSE)
    with embedded(model, embeddings(other, batch)):
        assert (logits(model) - expected).abs().max() > 1e-3


@every_family
def test_it_reads_texts_up_to_its_maximum_and_no_longer(family: str) -> None:
    model = tiny_model(family)
    longest = architectures.max_tokens(model)
    inputs = full_inputs(model, 2, longest)
    logits(model, **inputs)
    longer = {name: torch.cat([each, each[:, :1]], dim=1) for name, each in inputs.items()}
    with pytest.raises((IndexError, RuntimeError)):
        logits(model, **longer)


@every_family
def test_a_stack_of_its_models_gives_each_model_s_logits(family: str) -> None:
    none = dict.fromkeys(families.find(family).dropouts, 0.0)
    models = [tiny_model(family, seed=seed, **none) for seed in range(3)]
    batch = tiny_batch(models[0])
    expected = torch.stack([logits(model, **batch.inputs(model)) for model in models])
    columns = (batch.input_ids, batch.attention_mask, batch.token_type_ids, batch.labels)
    stacked = Batch(np.tile(batch.rows, 3), *(torch.cat([each] * 3) for each in columns))
    with torch.no_grad():
        torch.testing.assert_close(Stack(models).logits(stacked), expected, **CLOSE)


@every_family
def test_a_published_encoder_gets_a_new_classifier(family: str, tmp_path: Path) -> None:
    encoder = tiny_model(family).base_model
    encoder.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    found = checkpoints.inspect(tmp_path)
    assert (found.positions, found.rows) == (architectures.max_tokens(tiny_model(family)), 40)
    model, _ = load(str(tmp_path), ("a", "b", "c"), kind="classes", seed=3)
    assert logits(model).shape == (3, 3)
    assert architectures.classifier(model).weight.std() < 0.05
    for name, weight in encoder.named_parameters():
        assert torch.equal(model.base_model.get_parameter(name), weight), name


@every_family
def test_its_depth_is_read_from_its_config_json(family: str, tmp_path: Path) -> None:
    tiny_model(family, layers=3).config.save_pretrained(tmp_path)
    assert families.depth(json.loads((tmp_path / "config.json").read_text())) == 3


@every_family
def test_an_untrained_model_has_the_sizes_and_the_dropout_that_were_given(family: str) -> None:
    sizes: dict[str, Any] = {"layers": 2, "hidden": 24, "heads": 3, "intermediate": 20}
    labels: dict[str, Any] = {"vocabulary": 40, "labels": ("no", "yes"), "kind": "classes"}
    model, same = (
        untrained(family, **sizes, **labels, seed=1, positions=10, dropout=0.0) for _ in range(2)
    )
    assert architectures.shape(model).grid() == (2, 3, 20)
    assert architectures.max_tokens(model) == 10
    expected = logits(model)
    assert torch.equal(logits(model.train()), expected)  # no dropout
    assert torch.equal(logits(same), expected)


# --- quirks ----------------------------------------------------------------------------------


def test_a_bert_checkpoint_may_lack_its_pooler(tmp_path: Path) -> None:
    encoder = tiny_model("bert").base_model
    encoder.pooler = None
    encoder.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model, _ = load(str(tmp_path), ("no", "yes"), kind="classes", seed=0)
    assert model.bert.pooler.dense.weight.std() < 0.05


# --- other models ----------------------------------------------------------------------------


def test_families_are_listed_by_title() -> None:
    names = [family.title for family in FAMILIES.values()]
    assert names == sorted(names, key=str.lower)
    assert families.titles() == f"{', '.join(names[:-1])} or {names[-1]}"


def test_an_unknown_config_has_no_depth() -> None:
    assert families.depth({"model_type": "gpt2", "n_layer": 3}) is None
    assert families.depth({}) is None


def test_albert_is_refused_with_the_reason() -> None:
    config = AlbertConfig(
        vocab_size=30, embedding_size=8, hidden_size=12, num_attention_heads=2, intermediate_size=9
    )
    with pytest.raises(Incompatible, match="shares one layer among all depths"):
        architectures.of(AlbertForSequenceClassification(config))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (ModernBertConfig(), "ModernBERT fuses"),
        (SimpleNamespace(model_type="made-up"), "'made-up' are not supported"),
    ],
)
def test_other_families_are_refused_by_name(config: object, reason: str) -> None:
    with pytest.raises(Incompatible, match=reason):
        architectures.check_config(config)


def test_a_family_without_sdpa_attention_is_refused_with_that_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tiny_model("bert"), tiny_tokenizer(), tmp_path)
    monkeypatch.setattr(BertForSequenceClassification, "_supports_sdpa", False)
    with pytest.raises(Incompatible, match="BERT has no sdpa attention in transformers"):
        load(str(tmp_path), ("no", "yes"), kind="classes", seed=0)


def test_a_model_without_a_classifier_is_refused() -> None:
    with pytest.raises(Incompatible, match="BertModel is not a sequence classifier"):
        architectures.of(BertModel(tiny_model().config))


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"is_decoder": True}, "decoder"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
    ],
)
def test_settings_that_change_the_forward_are_refused(setting: dict, reason: str) -> None:
    with pytest.raises(Incompatible, match=reason):
        architectures.check_config(SimpleNamespace(model_type="bert", **setting))
