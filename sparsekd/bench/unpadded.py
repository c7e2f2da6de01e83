"""Predictions on texts laid end to end instead of padded, with attention inside each text."""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, PreTrainedModel

from sparsekd.data import Encoded, packed
from sparsekd.data.batches import takes_segments
from sparsekd.errors import Incompatible
from sparsekd.knowledge.evaluation import eval_mode
from sparsekd.models import architectures
from sparsekd.models.prefix import resumed
from sparsekd.system import budgets

Array = NDArray[np.float32]
NAME = "sparsekd_unpadded"


@dataclass
class _Texts:
    """Where the texts of the current batch begin and end, and the longest one's tokens.

    Shapes: ends int32 (B + 1,), from 0.
    """

    ends: Tensor
    longest: int


_current: list[_Texts] = []


def predict_unpadded(model: PreTrainedModel, data: Encoded) -> Array:
    """Return the logits, computed in bfloat16 on CUDA: the kernel for texts end to end needs it.

    Elsewhere attention is computed text by text, which is slow and only there to be compared.

    Shapes: -> (N, C), N here the number of examples.
    Raises:
        Incompatible: the model takes no positions.
    """
    if "position_ids" not in inspect.signature(model.base_model.forward).parameters:
        raise Incompatible(f"{type(model).__name__} takes no positions.", "Choose a BERT.")
    device, classes = model.device, architectures.shape(model).classes
    found = np.zeros((len(data), classes), dtype=np.float32)
    cuda = device.type == "cuda"
    low = torch.autocast("cuda", torch.bfloat16, enabled=cuda)
    with torch.no_grad(), eval_mode(model), _unpadded_attention(model), low:
        for rows in packed(data.lengths, budgets.tokens(device.type)):
            found[rows] = _logits(model, data.select(rows), rows).float().cpu().numpy()
    return found


def _logits(model: PreTrainedModel, part: Encoded, rows: NDArray[np.int64]) -> Tensor:
    """Shapes: -> (B, C)."""
    starts = part.offsets[:-1]
    places = np.arange(part.offsets[-1]) - np.repeat(starts, part.lengths)
    places += architectures.check_config(model.config).first_position_after_padding
    arrays: dict[str, NDArray[Any]] = {"input_ids": part.ids[None], "position_ids": places[None]}
    if takes_segments(model):
        arrays["token_type_ids"] = part.segments[None]
    inputs = {
        name: torch.from_numpy(each.astype(np.int64)).to(model.device)
        for name, each in arrays.items()
    }
    firsts = torch.from_numpy(starts).to(model.device)
    ends = torch.from_numpy(part.offsets.astype(np.int32)).to(model.device)
    _current[:] = [_Texts(ends, int(part.lengths.max()))]
    with _rows_only(model, firsts):
        hidden = model.base_model(**inputs).last_hidden_state
    one_each = {name: each[0, firsts][:, None] for name, each in inputs.items()}
    with resumed(model, len(architectures.blocks(model)), hidden[0][:, None]):
        logits: Tensor = model(**one_each).logits
    return logits


@contextmanager
def _unpadded_attention(model: PreTrainedModel) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before or "eager")


@contextmanager
def _rows_only(model: PreTrainedModel, rows: Tensor) -> Iterator[None]:
    """Compute the last layer, beyond its attention, for these rows alone."""

    def choose(_module: nn.Module, inputs: tuple[Tensor, ...], rows: Tensor) -> tuple[Tensor, ...]:
        return tuple(each[..., rows, :] for each in inputs)

    with ExitStack() as hooks:
        for module in architectures.layers(model)[-1].cls_cuts:
            handle = module.register_forward_pre_hook(partial(choose, rows=rows), prepend=True)
            hooks.callback(handle.remove)
        yield


def _attend(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend inside each text. Shapes: query, key, value (1, H, S, D / H) -> (1, S, H, D / H)."""
    (texts,) = _current
    query, key, value = (each[0].transpose(0, 1) for each in (query, key, value))
    if query.device.type == "cuda":
        ends, longest = texts.ends, texts.longest
        found: Any = varlen_attn(query, key, value, ends, ends, longest, longest)
        return found[None], None
    bounds = texts.ends.tolist()
    parts = []
    for start, end in pairwise(bounds):
        own = [each[start:end].transpose(0, 1)[None] for each in (query, key, value)]
        parts.append(F.scaled_dot_product_attention(own[0], own[1], own[2])[0].transpose(0, 1))
    return torch.cat(parts)[None], None


AttentionInterface.register(NAME, _attend)
