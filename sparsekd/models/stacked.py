"""Several models of one shape as one: each weight has an additional axis, that of the models.

The batch is the concatenation of all models' examples. Layers with weights use batched matrix
products; attention, dropout and activations are the model's own code on a larger batch.
`torch.vmap` is slower: every operation passes through it, and on a CPU attention loses its fused
kernel.
"""

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.data import Batch
from sparsekd.errors import Incompatible
from sparsekd.models.gates import cls_only

HINT = "Train these students one by one."


class Stack:
    """S models as one; each model's weights are views into the stacked ones.

    A step of the stack so updates every model, each of which can be evaluated and saved as usual.
    Of the last layer, only what [CLS] needs is computed.

    Raises:
        Incompatible: the models differ in shape, share weights between layers, or have weights
            in a type of layer that is not in `STACKED_LAYERS`.
    """

    def __init__(self, models: Sequence[PreTrainedModel]) -> None:
        check(models)
        self.models = list(models)
        shared = {id(weight): weight for weight in models[0].parameters()}
        self.model: PreTrainedModel = copy.deepcopy(models[0], memo=dict(shared))
        self.embeddings: list[_Embedding] = []
        for name, module in list(self.model.named_modules()):
            if type(module) in STACKED_LAYERS:
                layers = [model.get_submodule(name) for model in models]
                self._replace(name, STACKED_LAYERS[type(module)](layers))
        self.weights = dict(self.model.named_parameters())
        for place, model in enumerate(models):
            for name, weight in model.named_parameters():
                weight.data = self.weights[name].data[place]
        self.model.train()
        self.around = ExitStack()  # hooks on the stack's own model, never removed
        self.around.enter_context(cls_only(self.model))

    def _replace(self, name: str, layer: nn.Module) -> None:
        parent, _, last = name.rpartition(".")
        setattr(self.model.get_submodule(parent), last, layer)
        if isinstance(layer, _Embedding):
            self.embeddings.append(layer)

    def logits(self, batch: Batch) -> Tensor:
        """Compute every model's logits for its own examples, in training mode.

        Shapes: batch of S · B examples, model by model -> (S, B, C).
        """
        for embedding in self.embeddings:
            embedding.examples = len(batch)
        found: Tensor = self.model(**batch.inputs(self.model)).logits
        return found.float().view(len(self.models), -1, found.shape[-1])

    def clear_padding_gradients(self) -> None:
        """Clear the gradients of padding embeddings, as `nn.Embedding` does by itself."""
        for embedding in self.embeddings:
            if embedding.padding is not None and embedding.weight.grad is not None:
                embedding.weight.grad[:, embedding.padding] = 0


def release(model: PreTrainedModel) -> None:
    """Copy a model's weights out of the stack, so that the stack can be freed."""
    for weight in model.parameters():
        weight.data = weight.data.clone()


def check(models: Sequence[PreTrainedModel]) -> None:
    """Refuse models that cannot be stacked.

    Raises:
        Incompatible: see `Stack`.
    """
    shapes = [{name: each.shape for name, each in model.named_parameters()} for model in models]
    if any(each != shapes[0] for each in shapes):
        raise Incompatible("The students differ in their shape.", HINT)
    if len(list(models[0].named_parameters(remove_duplicate=False))) != len(shapes[0]):
        raise Incompatible("Layers of the students share weights.", HINT)
    for name, module in models[0].named_modules():
        if type(module) not in STACKED_LAYERS and list(module.parameters(recurse=False)):
            kind = type(module).__name__
            raise Incompatible(f"The layer {name!r} ({kind}) cannot be stacked.", HINT)


class _Linear(nn.Linear):
    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layers[0].in_features, layers[0].out_features
        self.weight = _stacked([layer.weight for layer in layers])
        self.register_parameter("bias", _stacked_bias(layers))

    # pyrefly: ignore[bad-override-param-name]  # the name there hides a builtin
    def forward(self, inputs: Tensor) -> Tensor:
        models, wide, deep = self.weight.shape
        split = inputs.reshape(models, inputs.shape[:-1].numel() // models, deep)
        bias = _bias(self)
        if bias is None:
            out = torch.bmm(split, self.weight.mT)
        else:
            out = torch.baddbmm(bias, split, self.weight.mT)
        return out.view(*inputs.shape[:-1], wide)


class _Norm(nn.Module):
    def __init__(self, layers: Sequence[nn.LayerNorm]) -> None:
        super().__init__()
        self.shape, self.eps = layers[0].normalized_shape, layers[0].eps
        self.weight = _stacked([layer.weight for layer in layers])
        self.register_parameter("bias", _stacked_bias(layers))

    def forward(self, inputs: Tensor) -> Tensor:
        normal = F.layer_norm(inputs, self.shape, None, None, self.eps)
        models, deep = self.weight.shape
        split = normal.view(models, -1, deep)
        weight, bias = self.weight.unsqueeze(1), _bias(self)
        found = split * weight if bias is None else torch.addcmul(bias, split, weight)
        return found.view(inputs.shape)


class _Embedding(nn.Module):
    examples: int
    """Examples in the current batch, of all models together."""

    def __init__(self, layers: Sequence[nn.Embedding]) -> None:
        super().__init__()
        self.weight = _stacked([layer.weight for layer in layers])
        self.padding = layers[0].padding_idx

    def forward(self, ids: Tensor) -> Tensor:
        models, words, deep = self.weight.shape
        # A single row of ids is shared by all examples: position ids.
        each = ids if len(ids) == self.examples else ids.expand(self.examples, -1)
        starts = torch.arange(0, models * words, words, device=ids.device)
        flat = each.reshape(models, -1) + starts.unsqueeze(1)
        found = F.embedding(flat, self.weight.view(models * words, deep))
        return found.view(*each.shape, deep)


STACKED_LAYERS: dict[type[nn.Module], Callable[[Sequence[Any]], nn.Module]] = {
    nn.Linear: _Linear,
    nn.LayerNorm: _Norm,
    nn.Embedding: _Embedding,
}


def _stacked_bias(layers: Sequence[Any]) -> nn.Parameter | None:
    return None if layers[0].bias is None else _stacked([layer.bias for layer in layers])


def _bias(layer: Any) -> Tensor | None:
    """Return a stacked layer's bias, broadcast over rows; None without one."""
    return None if layer.bias is None else layer.bias.unsqueeze(1)


def _stacked(weights: Sequence[Tensor]) -> nn.Parameter:
    whole = torch.stack([weight.detach() for weight in weights])
    return nn.Parameter(whole, requires_grad=weights[0].requires_grad)
