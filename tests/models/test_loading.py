"""Checkpoints: exact round trips, seeded classifiers, and clear errors."""

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from sparsekd.data import description
from sparsekd.errors import BadInput, Incompatible, NotFound, SparseKDError, Unavailable
from sparsekd.models import architectures
from sparsekd.models.classifiers import labels_of, name_labels, output_order
from sparsekd.models.gates import gated
from sparsekd.models.loading import load, load_saved, save
from sparsekd.models.pruning import prune
from tests.conftest import tiny_inputs, tiny_model, tiny_tokenizer

SENTIMENT = ("negative", "positive")
Edit = Callable[[Path], object]


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    return model(**tiny_inputs(model)).logits


def saved(folder: Path, model: Any = None, labels: tuple[str, ...] = SENTIMENT) -> Any:
    model = tiny_model() if model is None else model
    if model.num_labels == len(labels):
        name_labels(model, labels, kind="classes")
    save(model, tiny_tokenizer(), folder)
    return model


def bare(folder: Path, architecture: str = "bert", half: bool = False) -> Any:
    """Save an encoder without classifier, as published, and return it."""
    encoder = tiny_model(architecture).base_model
    (encoder.half() if half else encoder).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return encoder.float()


def test_a_saved_model_comes_back_exactly(architecture: str, tmp_path: Path) -> None:
    model = saved(tmp_path / "model", tiny_model(architecture))
    again, tokenizer = load_saved(tmp_path / "model")
    assert torch.equal(logits(again), logits(model))
    assert type(again) is type(model)
    assert not again.training
    assert again.config.id2label == {0: "negative", 1: "positive"}
    assert tokenizer("a good film")["input_ids"] == tiny_tokenizer()("a good film")["input_ids"]


def test_a_pruned_model_comes_back_exactly(architecture: str, tmp_path: Path) -> None:
    mask = SimpleNamespace(heads=np.zeros((2, 3), bool), neurons=np.zeros((2, 20), bool))
    mask.heads[0, 1] = True
    mask.neurons[1, ::3] = True
    model = tiny_model(architecture)
    smaller = saved(tmp_path / "pruned", prune(model, mask))
    again, _ = load_saved(tmp_path / "pruned")
    assert torch.equal(logits(again), logits(smaller))
    assert architectures.shape(again) == architectures.shape(smaller)
    with gated(model, mask):
        torch.testing.assert_close(logits(again), logits(model), atol=1e-5, rtol=1e-5)


def test_a_saved_model_can_be_used_without_this_project(architecture: str, tmp_path: Path) -> None:
    model = saved(tmp_path / "model", tiny_model(architecture))
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert torch.equal(logits(plain.eval()), logits(model))


def test_saving_over_a_model_replaces_it_and_keeps_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    saved(folder, tiny_model(seed=1))
    (folder / "notes.txt").write_text("mine")
    model = saved(folder, tiny_model(seed=2))
    assert torch.equal(logits(load_saved(folder)[0]), logits(model))
    assert (folder / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Unavailable):
        saved(tmp_path / "model")


def test_a_disk_that_takes_no_more_is_unavailable_and_the_old_model_stays(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model = saved(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(Unavailable, match="cannot be used: File too large"):
            saved(folder, tiny_model(seed=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert torch.equal(logits(load_saved(folder)[0]), logits(model))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_file_in_the_way_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be used"):
        saved(tmp_path / "file" / "model")


@pytest.mark.parametrize("half", [False, True])
def test_an_encoder_gets_a_new_classifier_in_float32(
    architecture: str, half: bool, tmp_path: Path
) -> None:
    encoder = bare(tmp_path, architecture, half)
    labels = ("a", "b", "c")
    model, _ = load(str(tmp_path), labels, kind="classes", seed=3)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert logits(model).shape == (3, 3)
    assert tuple(model.config.id2label.values()) == labels
    for name, weight in encoder.named_parameters():
        if "pooler" not in name:
            assert torch.equal(model.base_model.get_parameter(name), weight), name
    assert model.config._attn_implementation == "sdpa"
    assert not model.training


def test_the_seed_decides_a_new_classifier_and_leaves_the_global_generator_alone(
    architecture: str, tmp_path: Path
) -> None:
    bare(tmp_path, architecture)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (
        load(str(tmp_path), SENTIMENT, kind="classes", seed=seed)[0] for seed in (1, 1, 2)
    )
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(logits(first), logits(again))
    assert not torch.equal(logits(first), logits(other))


def test_a_classifier_of_the_same_labels_stays(architecture: str, tmp_path: Path) -> None:
    model = saved(tmp_path, tiny_model(architecture))
    again, _ = load(str(tmp_path), ("Negative", "Positive"), kind="classes", seed=9)
    assert torch.equal(logits(again), logits(model))


def test_a_classifier_of_the_same_labels_in_another_order_is_reordered(tmp_path: Path) -> None:
    model = saved(tmp_path, tiny_model(labels=3), ("no", "maybe", "yes"))
    again, _ = load(str(tmp_path), ("yes", "no", "maybe"), kind="classes", seed=9)
    torch.testing.assert_close(logits(again), logits(model)[:, [2, 0, 1]])


def test_a_classifier_without_names_stays_for_as_many_labels(tmp_path: Path) -> None:
    model = saved(tmp_path, labels=())
    again, _ = load(str(tmp_path), SENTIMENT, kind="classes", seed=9)
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize("labels", [("cat", "dog"), ("no", "maybe", "yes")])
def test_a_classifier_of_other_labels_is_drawn_anew(
    labels: tuple[str, ...], tmp_path: Path
) -> None:
    model = saved(tmp_path)
    again, _ = load(str(tmp_path), labels, kind="classes", seed=9)
    assert logits(again).shape == (3, len(labels))
    assert architectures.classifier(again).weight.std() < 0.05
    old = model.bert.pooler.dense.weight
    assert torch.equal(again.bert.pooler.dense.weight, old)


def test_a_regression_has_one_output_and_keeps_it(tmp_path: Path) -> None:
    saved(tmp_path / "classes")
    model, tokenizer = load(str(tmp_path / "classes"), (), kind="number", seed=0)
    assert logits(model).shape == (3, 1)
    assert model.config.problem_type == "regression"
    save(model, tokenizer, tmp_path / "score")
    again, _ = load(str(tmp_path / "score"), (), kind="number", seed=1)
    assert torch.equal(logits(again), logits(model))


def test_a_pruned_checkpoint_can_be_loaded_for_another_task(tmp_path: Path) -> None:
    mask = SimpleNamespace(heads=np.eye(2, 3, dtype=bool), neurons=np.zeros((2, 20), bool))
    smaller = saved(tmp_path, prune(tiny_model(), mask))
    model, _ = load(str(tmp_path), ("a", "b", "c"), kind="classes", seed=0)
    assert architectures.shape(model).heads == architectures.shape(smaller).heads == (1, 1)
    assert logits(model).shape == (3, 3)


@pytest.mark.parametrize("labels", [(), ("only",), ("twice", "twice")])
def test_fewer_than_two_classes_are_refused(labels: tuple[str, ...], tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(BadInput, match="labels"):
        load(str(tmp_path), labels, kind="classes", seed=0)


def edit_config(**values: Any) -> Edit:
    def edit(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return edit


def edit_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Edit:
    def edit(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return edit


def truncate(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


QUERY = "bert.encoder.layer.0.attention.self.query.weight"
BIAS = "bert.encoder.layer.0.output.dense.bias"
DAMAGE: dict[str, tuple[Edit, type[SparseKDError], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), BadInput, "is not a checkpoint"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), BadInput, "not valid JSON"),
    "list config": (lambda f: (f / "config.json").write_text("[]"), BadInput, "not a JSON object"),
    "no kind": (edit_config(model_type=None), BadInput, "has no model_type"),
    "albert": (edit_config(model_type="albert"), Incompatible, "shares one layer"),
    "odd sizes": (edit_config(hidden_size=25), BadInput, "."),
    "words for sizes": (edit_config(hidden_size="wide"), BadInput, "."),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), BadInput, "has no model.safetens"),
    "pickle": (pickle_only, BadInput, r"pickled \(pytorch_model.bin\)"),
    "cut short": (truncate, BadInput, "damaged or truncated"),
    "not weights": (
        lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 64),
        BadInput,
        "damaged or truncated",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), BadInput, "has no tokenizer"),
    "broken tokenizer": (
        lambda f: (f / "tokenizer.json").write_text("{}"),
        BadInput,
        "tokenizer in .* cannot be read",
    ),
    "missing layer": (
        edit_config(num_hidden_layers=3),
        BadInput,
        "layers 3, the weights have 2",
    ),
    "extra layer": (
        edit_config(num_hidden_layers=1),
        BadInput,
        "layers 1, the weights have 2",
    ),
    "missing bias": (edit_weights(lambda w: w.pop(BIAS)), BadInput, BIAS),
    "half a head": (edit_weights(lambda w: w.update({QUERY: w[QUERY][:4]})), BadInput, "layer 0"),
    "other vocabulary": (edit_config(vocab_size=41), BadInput, "."),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused_with_a_reason(damage: str, tmp_path: Path) -> None:
    edit, kind, words = DAMAGE[damage]
    saved(tmp_path)
    edit(tmp_path)
    with pytest.raises(kind, match=words) as caught:
        load(str(tmp_path), SENTIMENT, kind="classes", seed=0)
    assert caught.value.hint
    with pytest.raises(kind, match=words):
        load_saved(tmp_path)


def test_an_encoder_alone_is_not_a_saved_classifier(tmp_path: Path) -> None:
    bare(tmp_path)
    with pytest.raises(BadInput, match="not a finished classifier"):
        load_saved(tmp_path)


def test_a_tokenizer_larger_than_the_embeddings_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, tiny_model(vocabulary=10))
    with pytest.raises(Incompatible, match="the id 23, the model has 10 rows"):
        load_saved(tmp_path)


LEFT_OVER: dict[str, torch.Tensor] = {
    "bert.embeddings.position_ids": torch.arange(64)[None],
    "cls.predictions.bias": torch.zeros(40),
    "loss_fct.weight": torch.ones(2),
}


def test_a_classifier_is_read_without_what_it_does_without(tmp_path: Path) -> None:
    model = saved(tmp_path)
    edit_weights(lambda w: w.update(LEFT_OVER))(tmp_path)
    for again, _ in (load_saved(tmp_path), load(str(tmp_path), SENTIMENT, "classes", 0)):
        assert torch.equal(logits(again), logits(model))


def test_norms_may_have_the_names_that_tensorflow_gave_them(tmp_path: Path) -> None:
    model = saved(tmp_path)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def rename(held: dict[str, torch.Tensor]) -> None:
        for name in list(held):
            for now, before in old.items():
                if name.endswith(now):
                    held[name.replace(now, before)] = held.pop(name)

    edit_weights(rename)(tmp_path)
    assert torch.equal(logits(load_saved(tmp_path)[0]), logits(model))


def test_a_classifier_of_another_size_than_its_config_is_drawn_anew_or_refused(
    architecture: str, tmp_path: Path
) -> None:
    saved(tmp_path, tiny_model(architecture, labels=3))
    edit_config(id2label={"0": "a", "1": "b"}, label2id={"a": 0, "b": 1})(tmp_path)
    model, _ = load(str(tmp_path), ("x", "y", "z"), kind="classes", seed=0)
    assert architectures.classifier(model).weight.std() < 0.05
    with pytest.raises(BadInput, match=r"config.json says 2 labels, the weights have 3"):
        load_saved(tmp_path)


def test_a_classifier_of_another_width_is_drawn_anew_or_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    edit_weights(lambda w: w.update({"classifier.weight": torch.zeros(2, 7)}))(tmp_path)
    model, _ = load(str(tmp_path), SENTIMENT, kind="classes", seed=0)
    assert model.classifier.weight.shape == (2, 24)
    with pytest.raises(BadInput, match="size 2 × 7, its inputs have 24 numbers"):
        load_saved(tmp_path)


@pytest.mark.parametrize("part", [QUERY, "bert.pooler.dense.bias"])
def test_weights_that_are_no_numbers_are_refused(part: str, tmp_path: Path) -> None:
    saved(tmp_path)
    edit_weights(lambda w: w[part].view(-1)[0].fill_(float("nan")))(tmp_path)
    with pytest.raises(BadInput, match=f"{part} holds NaN"):
        load_saved(tmp_path)
    edit_weights(lambda w: w.update({"bert.position_ids": w.pop("classifier.bias")}))(tmp_path)
    with pytest.raises(BadInput, match=f"{part} holds NaN"):
        load(str(tmp_path), SENTIMENT, kind="classes", seed=0)


def test_settings_that_only_programs_use_never_reach_the_model(tmp_path: Path) -> None:
    model = saved(tmp_path)
    foreign = {"auto_map": 5, "return_dict": False, "output_attentions": "yes", "use_cache": []}
    edit_config(_attn_implementation="eager", hidden_dropout_prob=0, **foreign)(tmp_path)
    again, _ = load_saved(tmp_path)
    assert torch.equal(logits(again), logits(model))
    assert again.config._attn_implementation == "sdpa"


def test_a_tokenizer_without_a_fast_form_reads_texts(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    words = ("good", "film", "pl", "ot", "</w>")
    (tmp_path / "vocab.txt").write_text("".join(f"{word} 1\n" for word in words))
    (tmp_path / "bpe.codes").write_text("")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PhobertTokenizer"}')
    _, tokenizer = load_saved(tmp_path)
    assert not tokenizer.is_fast
    assert tokenizer("good")["input_ids"][0] == tokenizer.cls_token_id
    assert description(tokenizer) == description(load_saved(tmp_path)[1])


def test_shards_are_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    model = saved(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[:9]}
    parts["model-00002-of-00002.safetensors"] = names[9:]
    for file, held in parts.items():
        save_file({name: weights[name] for name in held}, tmp_path / file, {"format": "pt"})
    index = {name: file for file, held in parts.items() for name in held}
    file = tmp_path / "model.safetensors.index.json"
    file.write_text(json.dumps({"weight_map": index, "metadata": {}}))
    assert torch.equal(logits(load_saved(tmp_path)[0]), logits(model))
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(BadInput, match="lacks model-00002"):
        load_saved(tmp_path)


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "~/nowhere", "two words"])
def test_a_name_that_is_neither_folder_nor_hub_id_is_not_found(name: str) -> None:
    with pytest.raises(NotFound, match="There is no"):
        load(name, SENTIMENT, kind="classes", seed=0)


def test_a_file_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(BadInput, match="is a file"):
        load(str(tmp_path / "model.safetensors"), SENTIMENT, kind="classes", seed=0)


def test_an_offline_hub_is_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match="nobody/nothing is neither a local folder"):
        load("nobody/nothing", SENTIMENT, kind="classes", seed=0)


def test_several_labels_are_saved_as_transformers_names_them(tmp_path: Path) -> None:
    model = tiny_model(labels=3)
    name_labels(model, ("a", "b", "c"), kind="labels")
    save(model, tiny_tokenizer(), tmp_path)

    config = json.loads((tmp_path / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    again, _ = load(str(tmp_path), ("c", "a", "b"), kind="labels", seed=0)
    weight, bias = architectures.classifier(again).weight, architectures.classifier(again).bias
    assert weight.equal(architectures.classifier(model).weight[[2, 0, 1]])
    assert bias.equal(architectures.classifier(model).bias[[2, 0, 1]])
    assert labels_of(again.config) == (("c", "a", "b"), "labels")


def test_a_classifier_of_classes_is_drawn_anew_for_several_labels(tmp_path: Path) -> None:
    model = tiny_model(labels=3)
    name_labels(model, ("a", "b", "c"), kind="classes")
    save(model, tiny_tokenizer(), tmp_path)

    again, _ = load(str(tmp_path), ("a", "b", "c"), kind="labels", seed=0)
    assert not architectures.classifier(again).weight.equal(architectures.classifier(model).weight)
    assert output_order(model.config, ("a", "b", "c"), "labels") is None
    assert output_order(again.config, ("a", "b", "c"), "classes") is None
