"""What is wrong with a folder is said when it is named, in one line, with what to do."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from transformers.activations import ACT2FN

from sparsekd import checkpoints
from sparsekd.checkpoints import configuration, weights
from sparsekd.errors import SparseKDError
from tests.conftest import tiny_model, tiny_tokenizer
from tests.workshop import checkpoint_folder

Edit = Callable[[Path], object]
LAYER = "bert.encoder.layer.1"
NORM = f"{LAYER}.output.LayerNorm.weight"
WORDS = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of 24 words, width 16, 2 layers, 2 heads, 24 neurons, 64 positions."""
    return checkpoint_folder(tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def config(**values: Any) -> Edit:
    """Write values into config.json; None removes one."""

    def edit(folder: Path) -> None:
        file = folder / "config.json"
        known = json.loads(file.read_text()) | values
        file.write_text(json.dumps({n: v for n, v in known.items() if v is not None}))

    return edit


def resized(change: Callable[[dict[str, np.ndarray]], object]) -> Edit:
    def edit(folder: Path) -> None:
        found = load_file(folder / "model.safetensors")
        change(found)
        save_file(found, folder / "model.safetensors", {"format": "pt"})

    return edit


def file(name: str, content: str | bytes) -> Edit:
    raw = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(raw)


def only(**contents: str) -> Edit:
    """Leave nothing in the folder but these files."""

    def edit(folder: Path) -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        for name, content in contents.items():
            (folder / name.replace("__", ".")).write_text(content)

    return edit


def tokenizer(change: Callable[[dict[str, Any]], object]) -> Edit:
    def edit(folder: Path) -> None:
        known = json.loads((folder / "tokenizer.json").read_text())
        change(known)
        (folder / "tokenizer.json").write_text(json.dumps(known))

    return edit


def slow(kind: str, words: int = 24, **settings: Any) -> Edit:
    """Replace the tokenizer by files that only its class reads."""

    def edit(folder: Path) -> None:
        (folder / "tokenizer.json").unlink()
        (folder / "vocab.txt").write_text(
            "[UNK]\n" + "".join(f"w{number}\n" for number in range(words - 1))
        )
        text = json.dumps({"tokenizer_class": kind} | settings)
        (folder / "tokenizer_config.json").write_text(text)

    return edit


def moved(place: str) -> Edit:
    """Put the checkpoint into a subfolder, as what is named would have it."""

    def edit(folder: Path) -> None:
        inside = folder.with_name("inside")
        folder.rename(inside)
        (folder / place).parent.mkdir(parents=True)
        inside.rename(folder / place)

    return edit


def wider(found: dict[str, np.ndarray]) -> None:
    found[f"{LAYER}.intermediate.dense.weight"] = np.zeros((25, 16), np.float32)


def quantised(found: dict[str, np.ndarray]) -> None:
    found[f"{LAYER}.attention.self.query.weight"] = np.zeros((16, 16), np.int8)


def wrapped(found: dict[str, np.ndarray]) -> None:
    for name in list(found):
        found[f"module.{name}"] = found.pop(name)


def renamed(found: dict[str, np.ndarray]) -> None:
    for name in list(found):
        found[name.replace("bert.", "roberta.", 1)] = found.pop(name)


def two(folder: Path) -> None:
    moved("checkpoint-500")(folder)
    shutil.copytree(folder / "checkpoint-500", folder / "checkpoint-1000")


REFUSED: dict[str, tuple[Edit, str]] = {
    # config.json
    "id2label from 1": (config(id2label={"1": "a", "2": "b"}), "ids 1, 2, not 0 to 1"),
    "id2label with gaps": (config(id2label={"0": "a", "2": "b"}), "ids 0, 2, not 0 to 1"),
    "two orders": (
        config(id2label={"0": "a", "1": "b"}, label2id={"a": 1, "b": 0}),
        "a is 0 in id2label and 1 in label2id",
    ),
    "label2id list": (config(label2id=["a"]), "label2id must map names to ids"),
    "id2label list": (config(id2label=["a", "b"]), "must map ids to names"),
    "id2label text": (config(id2label=""), "id2label is empty"),
    "id2label empty": (config(id2label={}), "id2label is empty"),
    "id2label of objects": (config(id2label={"0": {}, "1": []}), "a label that is not a name"),
    "no model_type": (config(model_type=None), 'Add "model_type": "bert"'),
    "nothing to guess from": (config(model_type=None, architectures=None), 'such as "model_type"'),
    "model_type of a list": (config(model_type=[1]), 'Add "model_type": "bert"'),
    "another family": (config(model_type="t5"), "'t5' are not supported"),
    "a million layers": (config(num_hidden_layers=10**6), "1000000, the weights have 2"),
    "width 0": (config(hidden_size=0), "hidden_size is 0, not a number of at least 1"),
    "a fraction of a layer": (config(num_hidden_layers=1.5), "num_hidden_layers is 1.5"),
    "odd heads": (config(num_attention_heads=3), "hidden_size 16 cannot be divided among 3"),
    "unknown activation": (config(hidden_act="geglu"), "no activation 'geglu'"),
    "empty activation": (config(hidden_act=""), "no activation ''"),
    "dtype list": (config(dtype=[1]), r"dtype is \[1\]"),
    "dropout of words": (config(hidden_dropout_prob="some"), "hidden_dropout_prob is 'some'"),
    "padding elsewhere": (config(pad_token_id=24), "pad_token_id is 24, no id of 24 tokens"),
    "quantised by config": (config(quantization_config={"bits": 4}), "are quantised"),
    "decoder": (config(is_decoder=True), "configured as a decoder"),
    "nested": (file("config.json", "[" * 100_000), "not valid JSON"),
    "empty config": (file("config.json", ""), "config.json is empty"),
    # weights
    "vocabulary": (config(vocab_size=23), "vocab_size 23, the weights have 24"),
    "positions": (config(max_position_embeddings=65), "max_position_embeddings 65, .* have 64"),
    "hidden": (config(hidden_size=32), "hidden_size 32, the weights have 16"),
    "too many layers": (config(num_hidden_layers=1), "num_hidden_layers 1, the weights have 2"),
    "one matrix": (resized(wider), "matrices of layer 1 do not fit"),
    "no query": (resized(lambda w: w.pop(f"{LAYER}.attention.self.query.weight")), "lacks the wei"),
    "no norm": (resized(lambda w: w.pop(f"{LAYER}.output.LayerNorm.bias")), "1.output.LayerNorm.b"),
    "half a norm": (
        resized(lambda w: w.update({NORM: np.zeros(8, np.float32)})),
        "LayerNorm.weight has the size 8, not 16",
    ),
    "odd bias": (
        resized(lambda w: w.update({f"{LAYER}.attention.self.key.bias": np.zeros(3, np.float32)})),
        "another size than its matrix",
    ),
    "no width": (config(hidden_size=None), "lacks hidden_size, the weights have 16"),
    "embeddings of tasks": (
        resized(lambda w: w.update({"bert.embeddings.task.weight": np.zeros((3, 16), np.float32)})),
        "embeddings that BERT does not use here: bert.embeddings.task.weight",
    ),
    "adapter beside its model": (
        resized(
            lambda w: w.update({f"{LAYER}.query.lora_A.weight": np.zeros((2, 16), np.float32)})
        ),
        "hold a LoRA adapter beside its model",
    ),
    "no words": (resized(lambda w: w.pop(WORDS)), f"lacks the weight {WORDS}"),
    "int8": (resized(quantised), "quantised: .* is I8"),
    "wrapped": (resized(wrapped), r"named module\.…"),
    "of another family": (resized(renamed), r"says BERT, but the weights are called roberta\."),
    "pointer": (file("model.safetensors", "version https://git-lfs.github.com/spec/v1\n"), "LFS"),
    "huge header": (file("model.safetensors", b"\xff" * 64), "damaged or truncated"),
    "other name": (lambda f: (f / "model.safetensors").rename(f / "a.safetensors"), "but a.safete"),
    # tokenizer
    "ids past the rows": (
        tokenizer(lambda t: t["model"]["vocab"].update(x=24)),
        "id 24, .* 24 r",
    ),
    "half a tokenizer": (tokenizer(lambda t: t["model"].pop("unk_token")), "cannot be read"),
    "class of a list": (
        file("tokenizer_config.json", '{"tokenizer_class": [1]}'),
        r"is \[1\],",
    ),
    "a class that reads one file": (slow("TokenizersBackend"), "needs its tokenizer.json"),
    "Japanese": (
        slow("BertJapaneseTokenizer", word_tokenizer_type="sudachi"),
        r"needs sudachipy. pip install sudachipy, or add a fast tokenizer \(tokenizer.json\)",
    ),
    "more words than rows": (slow("BertTokenizer", words=25), "gives the id 24, .* has 24 rows"),
    "pieces": (
        lambda f: (f / "tokenizer.json").rename(f / "sentencepiece.bpe.model"),
        r"needs its tokenizer.json|needs sentencepiece. pip install sentencepiece",
    ),
    "pairs": (
        lambda f: [
            (f / "tokenizer.json").unlink(),
            (f / "tokenizer_config.json").unlink(),
            (f / "vocab.json").write_text('{"a": 0}'),
            (f / "merges.txt").write_text("#version: 0.2\na b\n"),
        ],
        r"cannot be read \(vocab.json, merges.txt: ",
    ),
    "no codes": (slow("PhobertTokenizer"), "lacks bpe.codes beside vocab.txt"),
    "ids of a template": (
        tokenizer(lambda t: t["post_processor"].update(cls=["[CLS]", 92])),
        "gives the id 92, .* has 24 rows",
    ),
    "a new padding token": (
        file("tokenizer_config.json", '{"pad_token": "<padding>"}'),
        "gives the id 24, .* has 24 rows",
    ),
    "a number for a token": (file("special_tokens_map.json", '{"pad_token": 5}'), "is 5, not a to"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer"),
    # other folders
    "adapter": (
        only(adapter_config__json='{"peft_type": "LORA", "base_model_name_or_path": "b/c"}'),
        "a LoRA adapter of b/c without its base model. Merge .*merge_and_unload",
    ),
    "trainer": (two, r"checkpoints of a Trainer \(checkpoint-500, checkpoint-1000\).*-1000$"),
    "hub cache": (moved("snapshots/abc"), "folder of the hub's cache.*snapshots/abc$"),
    "whole hub cache": (
        moved("models--a--b/snapshots/abc"),
        "is the hub's cache. .* hub id",
    ),
    "subfolder": (moved("best"), "there is one in best. Name the folder itself"),
    "nothing": (only(), "config.json is missing. Name a folder with config.json"),
    "TensorFlow": (
        lambda f: (f / "model.safetensors").rename(f / "tf_model.h5"),
        "in the format of TensorFlow",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_is_said_in_one_line_with_what_to_do(what: str, folder: Path) -> None:
    edit, words = REFUSED[what]
    edit(folder)
    with pytest.raises(SparseKDError) as refused:
        checkpoints.inspect(folder)
    assert re.search(words, str(refused.value)), str(refused.value)
    assert refused.value.hint
    assert "\n" not in str(refused.value)


def test_a_trainer_s_folder_leads_to_its_best_step(folder: Path) -> None:
    two(folder)
    state = '{"best_model_checkpoint": "out/checkpoint-500"}'
    (folder / "checkpoint-1000" / "trainer_state.json").write_text(state)
    with pytest.raises(SparseKDError, match=r"best by its metric: .*checkpoint-500$"):
        checkpoints.inspect(folder)


def test_the_hub_s_cache_leads_to_the_snapshot_of_its_main_branch(folder: Path) -> None:
    moved("snapshots/abc")(folder)
    shutil.copytree(folder / "snapshots" / "abc", folder / "snapshots" / "def")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc\n")
    with pytest.raises(SparseKDError, match=r"snapshot in it: .*/abc$"):
        checkpoints.inspect(folder)


def test_a_folder_of_sentence_transformers_leads_to_its_transformer(folder: Path) -> None:
    moved("0_Transformer")(folder)
    (folder / "modules.json").write_text("[]")
    with pytest.raises(SparseKDError, match=r"sentence-transformers. Name .*0_Transformer$"):
        checkpoints.inspect(folder)


READ: dict[str, Edit] = {
    "as it is": lambda folder: None,
    "id2label null": config(id2label=None),
    "names": config(id2label={"1": "b", "0": "a"}),
    "old norms": resized(lambda w: w.update({NORM.replace("weight", "gamma"): w.pop(NORM)})),
    "leftovers": resized(
        lambda w: w.update({"bert.embeddings.position_ids": np.zeros((1, 64), np.int64)})
    ),
    "the encoder alone": resized(
        lambda w: [w.pop(n) if n[0] == "c" else w.update({n[5:]: w.pop(n)}) for n in list(w)]
    ),
    "an adapter beside the merged model": file("adapter_config.json", "{}"),
    "byte order mark": lambda f: (f / "config.json").write_bytes(
        b"\xef\xbb\xbf" + (f / "config.json").read_bytes()
    ),
    "a slow tokenizer": slow("BertTokenizer"),
    "a class that has no fast form": file(
        "tokenizer_config.json", '{"tokenizer_class": "PhobertTokenizer"}'
    ),
}


@pytest.mark.parametrize("what", READ)
def test_what_can_be_read_is_not_refused(what: str, folder: Path) -> None:
    READ[what](folder)
    found = checkpoints.inspect(folder)
    assert (found.positions, found.rows, found.family.name) == (64, 24, "bert")


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ({"id2label": {"1": "b", "0": "a"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, ("a", "b")),
        ({"id2label": None, "label2id": {"b": 0, "a": 1}}, ("b", "a")),
        ({"id2label": None, "label2id": {"b": 1, "a": 2}}, ("LABEL_0", "LABEL_1")),
        ({"id2label": None, "label2id": None, "num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
    ],
)
def test_labels_have_the_order_of_the_outputs(
    given: dict[str, Any], labels: tuple[str, ...], folder: Path
) -> None:
    config(**given)(folder)
    assert checkpoints.inspect(folder).labels == (labels, "classes")


def test_positions_of_roberta_begin_after_padding(tmp_path: Path) -> None:
    tiny_model("roberta").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert checkpoints.inspect(tmp_path).positions == 63  # pad_token_id is 0


def test_the_activations_are_those_of_transformers() -> None:
    assert set(configuration.ACTIVATIONS) == set(ACT2FN)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert.embeddings.position_ids", True),
        ("bert.pooler.dense.weight", True),
        ("cls.predictions.bias", True),
        ("loss_fct.weight", True),
        ("bert.encoder.layer.0.adapter.weight", False),
        ("bert.embeddings.distance.weight", False),
        ("classifier.dense.weight", False),
    ],
)
def test_a_leftover_is_what_a_classifier_does_without(name: str, expected: bool) -> None:
    assert weights.is_leftover(name, configuration.FAMILIES["bert"]) is expected
