"""Batches: how rows are grouped, and the model's inputs."""

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Rows = NDArray[np.int64]
POOL = 64


@dataclass
class Batch:
    """Examples as tensors, padded to the longest of them.

    `labelled` holds the places of the examples with a gold label, None where all have one.

    Shapes: rows, labels (B,), with several labels (B, C), input_ids, attention_mask, token_type_ids
    (B, T), labelled (K,).
    """

    rows: Rows
    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    labels: Tensor
    labelled: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def inputs(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the keyword arguments of the model's forward; segments only where it has them."""
        words = {"input_ids": self.input_ids, "attention_mask": self.attention_mask}
        if takes_segments(model):
            words["token_type_ids"] = self.token_type_ids
        return words


def takes_segments(model: nn.Module) -> bool:
    """Return whether the model has more than one segment embedding."""
    kinds = getattr(getattr(model, "config", None), "type_vocab_size", 0)
    return kinds > 1 and "token_type_ids" in inspect.signature(model.forward).parameters


def upload(array: NDArray[Any], device: torch.device | str) -> Tensor:
    """Copy an array to a device; a CUDA copy is queued, so that the program need not wait for it.

    The driver has read the array when this returns: it may be changed or freed.
    """
    queued = torch.device(device).type == "cuda"
    return torch.from_numpy(array).to(device, non_blocking=queued)


def bucketed(
    lengths: NDArray[Any], batch_size: int, rng: np.random.Generator, padding_noise: float = 0.0
) -> list[Rows]:
    """Group rows of similar length into batches for one training epoch, in random order.

    Rows are shuffled, sorted by length within pools of 64 batches, and cut into batches, whose
    order is shuffled: little padding, and different batches in every epoch. For the order each
    length is multiplied by 1 plus or minus up to `padding_noise`, so that the texts of a batch are
    different ones in every epoch of a small training set too.

    Shapes: lengths (N,), N here the number of examples.
    Source: Gardner et al., 2018, arXiv 1803.07640 (AllenNLP: padding_noise of its buckets).
    """
    order = rng.permutation(len(lengths))
    if padding_noise:
        lengths = lengths * rng.uniform(1 - padding_noise, 1 + padding_noise, len(lengths))
    pool = POOL * batch_size
    pools = [order[start : start + pool] for start in range(0, len(order), pool)]
    batches = [
        rows[start : start + batch_size]
        for rows in (part[np.argsort(lengths[part], kind="stable")] for part in pools)
        for start in range(0, len(rows), batch_size)
    ]
    return [batches[place] for place in rng.permutation(len(batches))]


def packed(lengths: Rows, tokens: int = 2048) -> list[Rows]:
    """Group rows, sorted by length, into batches of at most `tokens` tokens, for evaluation.

    Padding counts; a row longer than `tokens` is a batch by itself.

    Shapes: lengths (N,), N here the number of examples.
    """
    order = np.argsort(lengths, kind="stable")
    cuts, start = [], 0
    for place, length in enumerate(np.asarray(lengths)[order].tolist()):
        if place > start and (place + 1 - start) * length > tokens:
            cuts.append(place)
            start = place
    return [rows for rows in np.split(order, cuts) if len(rows)]
