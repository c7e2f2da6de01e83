"""Attention of heads and activations of neurons; models are expected in eval mode."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sparsekd.data import Batch, Encoded
from sparsekd.errors import BadInput
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.knowledge.observe import observe
from sparsekd.models import architectures
from sparsekd.models.memory import enough_memory

HINT = "Take a shorter text or fewer examples."


def attention(model: PreTrainedModel, batch: Batch) -> tuple[list[Tensor], Tensor]:
    """Return each layer's attention probabilities, bottom first, and the logits.

    A layer without heads has H = 0.

    Shapes: -> L times (B, H, T, T), (B, C).
    """
    layers = architectures.layers(model)
    with_heads = tuple(number for number, layer in enumerate(layers, start=1) if layer.heads)
    with enough_memory(HINT), torch.no_grad():
        seen = observe(model, batch, {"attention": with_heads})
    empty = seen.logits.new_zeros(len(batch), 0, *[batch.input_ids.shape[1]] * 2)
    found = [seen.attention.get(number, empty) for number in range(1, len(layers) + 1)]
    return found, seen.logits


def attention_by_head(
    found: list[Tensor], places: list[NDArray[np.int64]], heads: int
) -> NDArray[Any]:
    """Return one example's attention as one array, NaN for removed heads.

    Args:
        places: Index in the dense model of each remaining head, per layer.

    Shapes: found L times (1, H_l, T, T), places L times (H_l,) -> (L, H, T, T).
    """
    tokens = found[0].shape[-1]
    by_layer = np.full((len(found), heads, tokens, tokens), np.nan, dtype=np.float32)
    for number, (each, own) in enumerate(zip(found, places, strict=True)):
        by_layer[number, own] = each[0].cpu().numpy()
    return by_layer


def top_tokens(
    model: PreTrainedModel, data: Encoded, layer: int, most: int, options: PassOptions | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the tokens at which each neuron of a layer (0 = bottom) is most active.

    Returns:
        Activations, the highest first, and their positions in the data's flat tokens.

    Shapes: -> (F, K), (F, K), K the lesser of `most` and the number of tokens.
    Raises:
        BadInput: the model has no such layer, or no data. Cancelled.
    """
    options = options or PassOptions()
    layers = architectures.layers(model)
    if not 0 <= layer < len(layers):
        raise BadInput(f"There is no layer {layer}.", f"The model has {len(layers)}, from 0.")
    if not len(data):
        raise BadInput("There are no examples to search.", "Choose another split.")
    best = torch.full((layers[layer].neurons, 0), -torch.inf)
    where = torch.zeros((layers[layer].neurons, 0), dtype=torch.int64)
    done = 0
    with enough_memory(HINT), torch.no_grad():
        for rows in options.batches(data.lengths, 4 * layers[layer].neurons, model.device):
            active, flat = _activations(model, layers[layer].neuron_site, data, rows)
            best, chosen = torch.cat([best, active], dim=1).topk(
                min(most, best.shape[1] + active.shape[1]), dim=1
            )
            where = torch.cat([where, flat.expand(len(where), -1)], dim=1).gather(1, chosen)
            done += len(rows)
            options.advance(done, len(data))
    return best.numpy(), where.numpy()


def _activations(
    model: PreTrainedModel, site: nn.Linear, data: Encoded, rows: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """Return every neuron's activation at the real tokens of a batch, and their flat positions.

    Shapes: -> (F, tokens), (tokens,).
    """
    seen: list[Tensor] = []
    hook = site.register_forward_pre_hook(lambda _site, inputs: seen.append(inputs[0]))
    try:
        batch = data.batch(rows, model.device)
        model(**batch.inputs(model))
    finally:
        hook.remove()
    real = batch.attention_mask.bool()
    places = torch.from_numpy(data.offsets[rows])[:, None] + torch.arange(real.shape[1])
    return seen[0][real].float().T.cpu(), places[real.cpu()]
