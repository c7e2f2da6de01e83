"""Tiny random models of any family, for all tests."""

import os

# Before torch is loaded: tests run side by side, and torch processes with several threads each
# slow one another down threefold. Processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from sparsekd.catalog import families

# No test is about time: the first example of a property may import a library.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# One of each layout; every family passes the contract in tests/models/test_architectures.py.
ARCHITECTURES = ("bert", "roberta", "distilbert", "electra")
WORDS = [
    "the",
    "a",
    "not",
    "film",
    "plot",
    "is",
    "was",
    "good",
    "bad",
    "long",
    "and",
    "but",
    "very",
    "she",
    "he",
    "said",
    "that",
    "dull",
    "fine",
]


def tiny_model(
    architecture: str = "bert",
    labels: int = 2,
    layers: int = 2,
    heads: int = 3,
    hidden: int = 24,
    neurons: int = 20,
    vocabulary: int = 40,
    seed: int = 0,
    **options: Any,
) -> PreTrainedModel:
    """Return a seeded classifier with large random weights, in eval mode; one label: regression.

    L, H, F and D differ, so that mixed-up axes fail. Biases and norms are random too: zeros and
    ones would hide a forgotten bias.
    """
    family = families.find(architecture)
    kind = "regression" if labels == 1 else "single_label_classification"
    sizes: dict[str, Any] = {
        "vocab_size": vocabulary,
        "max_position_embeddings": 64,
        "num_labels": labels,
        "problem_type": kind,
        "pad_token_id": 0,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        family.neurons: neurons,
    }
    if family.segments:
        sizes["type_vocab_size"] = 2
    if hasattr(AutoConfig.for_model(architecture), "embedding_size"):
        sizes["embedding_size"] = 16
    config = AutoConfig.for_model(architecture, **(sizes | options))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                centre = 1.0 if "LayerNorm.weight" in name or "norm.weight" in name else 0.0
                weight.normal_(centre, 0.25)
    return model.eval()


def tiny_inputs(
    model: PreTrainedModel, examples: int = 3, tokens: int = 7, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Return random ids with padding on the right; the last example is the shortest."""
    drawn = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, model.config.vocab_size, (examples, tokens), generator=drawn)
    lengths = torch.linspace(tokens, 2, examples).long()
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    ids = ids * mask + model.config.pad_token_id * (1 - mask)
    return {"input_ids": ids, "attention_mask": mask}


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Return a word-level tokenizer of 24 entries that adds [CLS] and [SEP]."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the checks of types and layers, the longest of all tests that run side by side."""
    items.sort(key=lambda item: item.path.name != "test_checks.py")


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    """One family of each layout in turn."""
    return str(request.param)


@pytest.fixture
def tiny() -> Callable[..., PreTrainedModel]:
    """`tiny(architecture, labels=2, layers=2, ...)`: a tiny random classifier."""
    return tiny_model


@pytest.fixture
def inputs() -> Callable[..., dict[str, torch.Tensor]]:
    """`inputs(model, examples=3, tokens=7)`: random ids with padding for that model."""
    return tiny_inputs


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """A word-level tokenizer of 24 entries."""
    return tiny_tokenizer()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty SPARSEKD_HOME of this test's own; no queue process is started."""
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    monkeypatch.setattr("sparsekd.runs.jobs.start_queue", lambda: None)
    return tmp_path


@pytest.fixture(autouse=True)
def own_main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore `__main__`, which AppTest replaces by a page: worker processes import it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
