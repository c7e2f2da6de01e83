"""Several models of one architecture as one: each weight has one axis more, that of the models.

The examples of all models lie end to end in the batch, model by model. Layers with weights
multiply in batches; attention, dropout and activations are the architecture's own code, which
notices nothing but a larger batch. Under `torch.vmap` the same costs more: every operation passes
through it, and attention leaves its fused kernel on a processor.
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

ALONE = "Train these students one by one."


class Stack:
    """S models as one, S here their number; each model's weights are views into the stacked ones.

    Of the last layer, only what [CLS] needs is computed.
    So what is learned by all is seen in each at once: it can be evaluated, kept or read as ever.

    Raises:
        Incompatible: the models differ in shape, share weights between layers, or have weights
            in a kind of layer that is not known here.
    """

    def __init__(self, models: Sequence[PreTrainedModel]) -> None:
        check(models)
        self.models = list(models)
        shared = {id(weight): weight for weight in models[0].parameters()}
        self.model: PreTrainedModel = copy.deepcopy(models[0], memo=dict(shared))
        self.embeddings: list[_Embedding] = []
        for name, module in list(self.model.named_modules()):
            if type(module) in KINDS:
                self._replace(
                    name, KINDS[type(module)]([model.get_submodule(name) for model in models])
                )
        self.weights = dict(self.model.named_parameters())
        for place, model in enumerate(models):
            for name, weight in model.named_parameters():
                weight.data = self.weights[name].data[place]
        self.model.train()
        self.around = ExitStack()  # hooks on a model of the stack's own: they go with it
        self.around.enter_context(cls_only(self.model))

    def _replace(self, name: str, layer: nn.Module) -> None:
        parent, _, last = name.rpartition(".")
        setattr(self.model.get_submodule(parent), last, layer)
        if isinstance(layer, _Embedding):
            self.embeddings.append(layer)

    def logits(self, batch: Batch) -> Tensor:
        """Every model's logits for its own examples, in training mode.

        Shapes: batch of S · B examples, model by model -> (S, B, C).
        """
        for embedding in self.embeddings:
            embedding.examples = len(batch)
        found: Tensor = self.model(**batch.inputs(self.model)).logits
        return found.float().view(len(self.models), -1, found.shape[-1])

    def spare_padding(self) -> None:
        """Forget the gradient of what stands for padding, as an embedding does by itself."""
        for embedding in self.embeddings:
            if embedding.padding is not None and embedding.weight.grad is not None:
                embedding.weight.grad[:, embedding.padding] = 0


def release(model: PreTrainedModel) -> None:
    """Give a model weights of its own again, so that those of the others can go."""
    for weight in model.parameters():
        weight.data = weight.data.clone()


def check(models: Sequence[PreTrainedModel]) -> None:
    """Refuse models that cannot be stacked.

    Raises:
        Incompatible: see `Stack`.
    """
    shapes = [{name: each.shape for name, each in model.named_parameters()} for model in models]
    if any(each != shapes[0] for each in shapes):
        raise Incompatible("The students differ in their shape.", ALONE)
    if len(list(models[0].named_parameters(remove_duplicate=False))) != len(shapes[0]):
        raise Incompatible("Layers of the students share weights.", ALONE)
    for name, module in models[0].named_modules():
        if type(module) not in KINDS and list(module.parameters(recurse=False)):
            kind = type(module).__name__
            raise Incompatible(f"The layer {name!r} ({kind}) cannot be stacked.", ALONE)


class _Linear(nn.Linear):
    def __init__(self, ones: Sequence[nn.Linear]) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = ones[0].in_features, ones[0].out_features
        self.weight = _stacked([one.weight for one in ones])
        self.register_parameter("bias", _stacked_bias(ones))

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
    def __init__(self, ones: Sequence[nn.LayerNorm]) -> None:
        super().__init__()
        self.shape, self.eps = ones[0].normalized_shape, ones[0].eps
        self.weight = _stacked([one.weight for one in ones])
        self.register_parameter("bias", _stacked_bias(ones))

    def forward(self, inputs: Tensor) -> Tensor:
        normal = F.layer_norm(inputs, self.shape, None, None, self.eps)
        models, deep = self.weight.shape
        split = normal.view(models, -1, deep)
        weight, bias = self.weight.unsqueeze(1), _bias(self)
        found = split * weight if bias is None else torch.addcmul(bias, split, weight)
        return found.view(inputs.shape)


class _Embedding(nn.Module):
    examples: int
    """Examples of the batch at hand, of all models together."""

    def __init__(self, ones: Sequence[nn.Embedding]) -> None:
        super().__init__()
        self.weight = _stacked([one.weight for one in ones])
        self.padding = ones[0].padding_idx

    def forward(self, ids: Tensor) -> Tensor:
        models, words, deep = self.weight.shape
        # One row of ids is for everybody: places in a text.
        each = ids if len(ids) == self.examples else ids.expand(self.examples, -1)
        starts = torch.arange(0, models * words, words, device=ids.device)
        flat = each.reshape(models, -1) + starts.unsqueeze(1)
        found = F.embedding(flat, self.weight.view(models * words, deep))
        return found.view(*each.shape, deep)


KINDS: dict[type[nn.Module], Callable[[Sequence[Any]], nn.Module]] = {
    nn.Linear: _Linear,
    nn.LayerNorm: _Norm,
    nn.Embedding: _Embedding,
}


def _stacked_bias(ones: Sequence[Any]) -> nn.Parameter | None:
    return None if ones[0].bias is None else _stacked([one.bias for one in ones])


def _bias(layer: Any) -> Tensor | None:
    """A stacked layer's bias, alike for all rows, where it has one."""
    return None if layer.bias is None else layer.bias.unsqueeze(1)


def _stacked(ones: Sequence[Tensor]) -> nn.Parameter:
    whole = torch.stack([one.detach() for one in ones])
    return nn.Parameter(whole, requires_grad=ones[0].requires_grad)
