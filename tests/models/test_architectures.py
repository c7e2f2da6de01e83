"""Where things are, and what is refused with which reason."""

from types import SimpleNamespace

import pytest
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertModel,
    ModernBertConfig,
    XLMRobertaConfig,
)

from sparsekd.errors import Incompatible
from sparsekd.models import architectures
from tests.conftest import tiny_model


def test_a_shape_tells_every_size_apart(architecture: str) -> None:
    model = tiny_model(architecture, labels=5, layers=4, heads=3, hidden=24, neurons=20)
    shape = architectures.shape(model)
    assert shape.architecture == architecture
    assert shape.grid() == (4, 3, 20)
    assert (shape.hidden, shape.head_size, shape.classes, shape.vocabulary) == (24, 8, 5, 40)
    assert shape.positions == 64


def test_albert_is_refused_with_the_reason() -> None:
    config = AlbertConfig(
        vocab_size=30, embedding_size=8, hidden_size=12, num_attention_heads=2, intermediate_size=9
    )
    with pytest.raises(Incompatible, match="shares one layer among all depths"):
        architectures.of(AlbertForSequenceClassification(config))


@pytest.mark.parametrize(
    ("config", "reason"),
    [(ModernBertConfig(), "ModernBERT fuses"), (XLMRobertaConfig(), "'xlm-roberta'")],
)
def test_other_architectures_are_refused_by_name(config: object, reason: str) -> None:
    with pytest.raises(Incompatible, match=reason):
        architectures.check_config(config)


def test_a_model_without_a_classifier_is_refused() -> None:
    with pytest.raises(Incompatible, match="BertModel does not classify"):
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
