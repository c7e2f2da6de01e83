"""The parts of a model by role, whatever its family calls them."""

from dataclasses import dataclass

import transformers
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from sparsekd.catalog import families
from sparsekd.catalog.family import Family
from sparsekd.checkpoints.configuration import check_encoder
from sparsekd.errors import BadInput, Incompatible
from sparsekd.units.shape import ModelShape


@dataclass(frozen=True)
class Layer:
    """One layer's matrices by role."""

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
        """Number of heads that this layer still has."""
        return self.head_site.in_features // self.head_size

    @property
    def neurons(self) -> int:
        """Number of feed-forward neurons that this layer still has."""
        return self.neuron_site.in_features


def check_config(config: PretrainedConfig) -> Family:
    """Return the family of a configuration.

    Raises:
        Incompatible: an unknown family, one without sdpa attention, a decoder, or relative
            positions.
    """
    family = families.find(str(config.model_type))
    _check_attention(family)
    check_encoder(family, lambda name: getattr(config, name, None))
    return family


def _check_attention(family: Family) -> None:
    if not getattr(transformers, family.model)._supports_sdpa:
        raise Incompatible(
            f"{family.title} has no sdpa attention in transformers {transformers.__version__}.",
            "Use a checkpoint of another family, or a transformers that has it.",
        )


def of(model: PreTrainedModel) -> Family:
    """Return the family of a sequence classifier.

    Raises:
        Incompatible: an unknown family, or a model without a sequence classifier.
    """
    family = check_config(model.config)
    if family.model not in {kind.__name__ for kind in type(model).__mro__}:
        raise Incompatible(
            f"{type(model).__name__} is not a sequence classifier.",
            f"Load the checkpoint as {family.model}.",
        )
    return family


def blocks(model: PreTrainedModel) -> nn.ModuleList:
    """Return the model's layers as transformers built them, bottom first."""
    found = model.base_model.get_submodule(of(model).layers)
    if not isinstance(found, nn.ModuleList):
        raise Incompatible(f"The layers of {type(model).__name__} are not a list.")
    return found


def layers(model: PreTrainedModel) -> list[Layer]:
    """Return every layer's matrices by role, bottom first."""
    family, size = of(model), head_size(model.config)
    return [_layer(family, block, size) for block in blocks(model)]


def set_blocks(model: PreTrainedModel, members: nn.ModuleList) -> None:
    """Replace the list of the model's layers."""
    parent, _, name = of(model).layers.rpartition(".")
    setattr(model.base_model.get_submodule(parent), name, members)


def unit_paths(model: PreTrainedModel) -> list[str]:
    """Return the full names of the matrices whose sizes depend on a layer's heads and neurons."""
    family = of(model)
    roles = (
        family.query,
        family.key,
        family.value,
        family.head_site,
        family.expansion,
        family.neuron_site,
    )
    prefix = f"{model.base_model_prefix}.{family.layers}"
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
                "The checkpoint is damaged: save or download it again.",
            )


def head_size(config: PretrainedConfig) -> int:
    """Return the columns per head, which pruning does not change."""
    return int(config.hidden_size) // int(config.num_attention_heads)


def classifier(model: PreTrainedModel) -> nn.Linear:
    """Return the last matrix, whose outputs are the logits."""
    return linear(model, of(model).classifier)


def embeddings(model: PreTrainedModel) -> nn.Module:
    """Return the module that turns token ids into vectors."""
    found: nn.Module = model.base_model.get_submodule(of(model).embeddings)
    return found


def max_tokens(model: PreTrainedModel) -> int:
    """Return the length of the longest text that the model has positions for."""
    family = of(model)
    positions = _embedding(model, family.positions).num_embeddings
    if family.first_position_after_padding:
        positions -= (model.config.pad_token_id or 0) + 1
    return positions


def shape(model: PreTrainedModel) -> ModelShape:
    """Return the sizes of a model, pruned or not, layer by layer."""
    family, found, config = of(model), layers(model), model.config
    words = _embedding(model, family.words)
    segments = _embedding(model, family.segments).num_embeddings if family.segments else 0
    return ModelShape(
        architecture=family.name,
        hidden=int(config.hidden_size),
        head_size=head_size(config),
        heads=tuple(layer.heads for layer in found),
        neurons=tuple(layer.neurons for layer in found),
        vocabulary=words.num_embeddings,
        positions=_embedding(model, family.positions).num_embeddings,
        segments=segments,
        embedding=words.embedding_dim,
        classes=classifier(model).out_features,
    )


def _layer(family: Family, block: nn.Module, size: int) -> Layer:
    return Layer(
        attention=block.get_submodule(family.query.rpartition(".")[0]),
        query=linear(block, family.query),
        key=linear(block, family.key),
        value=linear(block, family.value),
        head_site=linear(block, family.head_site),
        expansion=linear(block, family.expansion),
        neuron_site=linear(block, family.neuron_site),
        cls_cuts=tuple(block.get_submodule(path) for path in family.cls_cuts),
        head_size=size,
    )


def linear(parent: nn.Module, path: str) -> nn.Linear:
    """Return the linear layer of this name inside a module.

    Raises:
        Incompatible: it is another kind of layer.
    """
    found = parent.get_submodule(path)
    if not isinstance(found, nn.Linear):
        raise Incompatible(f"{path} is a {type(found).__name__}, not a plain linear layer.")
    return found


def _embedding(model: PreTrainedModel, path: str) -> nn.Embedding:
    found = embeddings(model).get_submodule(path)
    if not isinstance(found, nn.Embedding):
        raise Incompatible(f"{path} is a {type(found).__name__}, not an embedding.")
    return found
