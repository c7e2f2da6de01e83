"""The one place that knows where each architecture keeps its heads and neurons."""

from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from sparsekd.errors import BadInput, Incompatible
from sparsekd.units.shape import ModelShape


@dataclass(frozen=True)
class Architecture:
    """Where one architecture keeps its parts; paths start at a layer unless said otherwise.

    The input of `head_site` is the concatenated context of the heads, before the attention
    output projection; the input of `neuron_site` is the activation of the feed-forward neurons,
    before the second matrix. When the tensor arguments of `cls_cuts` keep their first row only,
    the rest of the layer is computed for [CLS] alone.
    """

    name: str
    title: str
    model: str
    layers: str
    query: str
    key: str
    value: str
    head_site: str
    expansion: str
    neuron_site: str
    cls_cuts: tuple[str, ...]
    classifier: str


def _bert_like(name: str, title: str, model: str, classifier: str) -> Architecture:
    return Architecture(
        name=name,
        title=title,
        model=model,
        layers="encoder.layer",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        head_site="attention.output.dense",
        expansion="intermediate.dense",
        neuron_site="output.dense",
        cls_cuts=("attention.output",),
        classifier=classifier,
    )


ARCHITECTURES: dict[str, Architecture] = {
    card.name: card
    for card in (
        _bert_like("bert", "BERT", "BertForSequenceClassification", "classifier"),
        _bert_like("roberta", "RoBERTa", "RobertaForSequenceClassification", "classifier.out_proj"),
        _bert_like("electra", "ELECTRA", "ElectraForSequenceClassification", "classifier.out_proj"),
        Architecture(
            name="distilbert",
            title="DistilBERT",
            model="DistilBertForSequenceClassification",
            layers="transformer.layer",
            query="attention.q_lin",
            key="attention.k_lin",
            value="attention.v_lin",
            head_site="attention.out_lin",
            expansion="ffn.lin1",
            neuron_site="ffn.lin2",
            # The residual is added between the two: one cut drops the other rows of the
            # context, the other those of the sum, to which the first row was broadcast.
            cls_cuts=("attention.out_lin", "sa_layer_norm"),
            classifier="classifier",
        ),
    )
}

REFUSED: dict[str, str] = {
    "albert": "ALBERT shares one layer among all depths, so a unit is not a unit of one layer.",
    "modernbert": "ModernBERT fuses query, key and value and gates its feed-forward block.",
}


@dataclass(frozen=True)
class Layer:
    """One layer's matrices by role, whatever the architecture calls them."""

    attention: nn.Module
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    head_site: nn.Linear
    expansion: nn.Linear
    neuron_site: nn.Linear
    cls_cuts: tuple[nn.Module, ...]
    head_size: int

    @property
    def heads(self) -> int:
        """Heads that this layer still has."""
        return self.head_site.in_features // self.head_size

    @property
    def neurons(self) -> int:
        """Feed-forward neurons that this layer still has."""
        return self.neuron_site.in_features


def named(kind: str) -> Architecture:
    """The architecture of a `model_type`.

    Raises:
        Incompatible: nothing here knows where that kind of model keeps its heads and neurons.
    """
    if kind in ARCHITECTURES:
        return ARCHITECTURES[kind]
    titles = ", ".join(card.title for card in ARCHITECTURES.values())
    reason = REFUSED.get(kind, f"It is not known where a {kind!r} keeps its heads and neurons.")
    raise Incompatible(reason, f"Use one of {titles}.")


def check_config(config: PretrainedConfig) -> Architecture:
    """The architecture of a configuration.

    Raises:
        Incompatible: an unknown architecture, a decoder, or relative positions.
    """
    card = named(str(config.model_type))
    if getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        raise Incompatible(
            f"This {card.title} is set up as a decoder.", "Use an encoder: is_decoder = false."
        )
    positions = getattr(config, "position_embedding_type", None) or "absolute"
    if positions != "absolute":
        raise Incompatible(
            f"This {card.title} has {positions!r} positions, which transformers no longer reads.",
            "Use a checkpoint with absolute positions.",
        )
    return card


def of(model: PreTrainedModel) -> Architecture:
    """The architecture of a sequence classifier.

    Raises:
        Incompatible: another architecture, or a model without a sequence classifier.
    """
    card = check_config(model.config)
    if card.model not in {kind.__name__ for kind in type(model).__mro__}:
        raise Incompatible(
            f"A {type(model).__name__} does not classify sequences.",
            f"Load it as a {card.model}.",
        )
    return card


def blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The model's layers as transformers built them, bottom first."""
    found = model.base_model.get_submodule(of(model).layers)
    if not isinstance(found, nn.ModuleList):
        raise Incompatible(f"The layers of a {type(model).__name__} are not a list.")
    return found


def layers(model: PreTrainedModel) -> list[Layer]:
    """Every layer's matrices by role, bottom first."""
    card, size = of(model), head_size(model.config)
    return [_layer(card, block, size) for block in blocks(model)]


def unit_paths(model: PreTrainedModel) -> list[str]:
    """The full names of the matrices whose sizes follow from a layer's heads and neurons."""
    card = of(model)
    roles = (card.query, card.key, card.value, card.head_site, card.expansion, card.neuron_site)
    prefix = f"{model.base_model_prefix}.{card.layers}"
    return [f"{prefix}.{number}.{role}" for number in range(len(blocks(model))) for role in roles]


def check_sizes(model: PreTrainedModel) -> None:
    """Refuse layers whose matrices do not belong together.

    Raises:
        BadInput: part of a head, or matrices of one block that disagree on its units.
    """
    for number, layer in enumerate(layers(model)):
        width = layer.head_site.in_features
        projections = {each.out_features for each in (layer.query, layer.key, layer.value)}
        whole = width % layer.head_size == 0 and projections == {width}
        if not whole or layer.expansion.out_features != layer.neurons:
            raise BadInput(
                f"The matrices of layer {number} do not fit together.",
                "The checkpoint is damaged: save or fetch it again.",
            )


def head_size(config: PretrainedConfig) -> int:
    """Columns per head; pruning does not change it."""
    return int(config.hidden_size) // int(config.num_attention_heads)


def classifier(model: PreTrainedModel) -> nn.Linear:
    """The last matrix, whose outputs are the logits."""
    return _linear(model, of(model).classifier)


def shape(model: PreTrainedModel) -> ModelShape:
    """The sizes of a model, pruned or not, layer by layer."""
    found, config = layers(model), model.config
    embeddings = model.base_model.embeddings
    segments = getattr(embeddings, "token_type_embeddings", None)
    return ModelShape(
        architecture=of(model).name,
        hidden=int(config.hidden_size),
        head_size=head_size(config),
        heads=tuple(layer.heads for layer in found),
        neurons=tuple(layer.neurons for layer in found),
        vocabulary=embeddings.word_embeddings.num_embeddings,
        positions=embeddings.position_embeddings.num_embeddings,
        segments=segments.num_embeddings if segments is not None else 0,
        embedding=embeddings.word_embeddings.embedding_dim,
        classes=classifier(model).out_features,
    )


def _layer(card: Architecture, block: nn.Module, size: int) -> Layer:
    return Layer(
        attention=block.get_submodule(card.query.rpartition(".")[0]),
        query=_linear(block, card.query),
        key=_linear(block, card.key),
        value=_linear(block, card.value),
        head_site=_linear(block, card.head_site),
        expansion=_linear(block, card.expansion),
        neuron_site=_linear(block, card.neuron_site),
        cls_cuts=tuple(block.get_submodule(path) for path in card.cls_cuts),
        head_size=size,
    )


def _linear(parent: nn.Module, path: str) -> nn.Linear:
    found = parent.get_submodule(path)
    if not isinstance(found, nn.Linear):
        raise Incompatible(f"{path} is a {type(found).__name__}, not a plain linear layer.")
    return found
