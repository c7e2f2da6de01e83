"""Conductance of each unit.

Source: Dhamdhere, Sundararajan, Yan, ICLR 2019, arXiv 1805.12233.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.data import Batch, Encoded
from sparsekd.knowledge.attribution import gold_gradients, masked_words, mean_absolute
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.models import architectures
from sparsekd.models.gates import Taps

Matrix = NDArray[np.float32]


def rank(
    teacher: PreTrainedModel,
    data: Encoded,
    tokenizer: PreTrainedTokenizerBase,
    params: AttributeParams,
    options: PassOptions,
) -> tuple[Matrix, Matrix]:
    """Return the mean over examples of each unit's |conductance| of the gold class's log-odds.

    The values are those of captum's LayerConductance along the path from the embeddings of the
    masked text to those of the text, for all layers from one pass instead of one pass per layer.

    Shapes: -> heads (L, H), neurons (L, F).
    Raises:
        Incompatible: layers of different sizes, as after pruning. BadInput: NaN; no examples.
    """

    def of_batch(batch: Batch, taps: Taps) -> tuple[list[Tensor], list[Tensor]]:
        baseline = masked_words(batch.input_ids, tokenizer)
        return conductances(teacher, batch, baseline, taps, params.steps)

    return mean_absolute(teacher, data, of_batch, options)


def conductances(
    model: PreTrainedModel, batch: Batch, baseline: Tensor, taps: Taps, steps: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Return each example's conductance of every unit, summed over tokens and a head's columns.

    Shapes: baseline (B, T) -> heads[l] (B, H_l), neurons[l] (B, F_l).
    """
    end = embeddings(model, batch)
    start = embeddings(model, _with_ids(batch, baseline))
    before: list[Tensor] = []
    slopes: list[Tensor] = []
    sums: list[Tensor] = []
    for share in _path(steps + 1):
        with embedded(model, start + share * (end - start)):
            following = gold_gradients(model, batch, taps)
        now = [tap.detach() for tap in taps.tensors()]
        if before:
            moved = [
                slope * (after - earlier)
                for slope, after, earlier in zip(slopes, now, before, strict=True)
            ]
            sums = [old + new for old, new in zip(sums, moved, strict=True)] if sums else moved
        before, slopes = now, list(following)
    layers, size = len(taps.heads), taps.head_size
    per_column = [each.sum(dim=1) for each in sums]
    heads = [each.reshape(len(each), -1, size).sum(dim=2) for each in per_column[:layers]]
    return heads, per_column[layers:]


def _path(points: int) -> list[float]:
    """Return captum's points on the path, from 0 to 1: the Gauss–Legendre nodes."""
    nodes, _ = np.polynomial.legendre.leggauss(points)
    return [float(share) for share in (1 + nodes) / 2]


def embeddings(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the output of the embeddings: the first layer's input.

    Shapes: -> (B, T, D).
    """
    seen: list[Tensor] = []
    site = architectures.embeddings(model)
    hook = site.register_forward_hook(lambda _site, _inputs, out: seen.append(out))
    try:
        with torch.no_grad():
            model(**batch.inputs(model))
    finally:
        hook.remove()
    return seen[0]


@contextmanager
def embedded(model: PreTrainedModel, values: Tensor) -> Iterator[None]:
    """Replace the output of the embeddings by `values` (B, T, D)."""

    def instead(_site: nn.Module, _inputs: Any, _out: Tensor) -> Tensor:
        return values

    hook = architectures.embeddings(model).register_forward_hook(instead)
    try:
        yield
    finally:
        hook.remove()


def _with_ids(batch: Batch, ids: Tensor) -> Batch:
    return Batch(batch.rows, ids, batch.attention_mask, batch.token_type_ids, batch.labels)
