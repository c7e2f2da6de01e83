"""Texts as token ids in flat arrays: tokenised once, saved in one file, padded per batch."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from sparsekd.catalog import families
from sparsekd.data.batches import Batch, upload
from sparsekd.errors import BadInput
from sparsekd.system.arrays import load_arrays, save_arrays
from sparsekd.tasks.labels import is_labelled, label_values

CHUNK = 4096
ARRAYS = ("ids", "segments", "offsets", "labels")


@dataclass(frozen=True)
class Encoded:
    """All examples of one split, their tokens concatenated.

    Row i has ids[offsets[i]:offsets[i + 1]]. Labels are int64 classes, float32 numbers, or float32
    rows with 1 for each of several labels; a row without a gold label has `UNLABELLED` or NaN.

    Shapes: ids int32 (sum of T,), segments int8 (sum of T,), offsets int64 (N + 1,), labels (N,)
    or (N, C), N here the number of examples.
    """

    ids: NDArray[np.int32]
    segments: NDArray[np.int8]
    offsets: NDArray[np.int64]
    labels: NDArray[Any]
    pad: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per example, special tokens included."""
        return np.diff(self.offsets)

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Which examples have a gold label."""
        return is_labelled(self.labels)

    def with_labels(self, labels: NDArray[Any]) -> "Encoded":
        """Return the same texts with other labels."""
        return replace(self, labels=labels)

    def select(self, rows: NDArray[np.int64]) -> "Encoded":
        """Return these rows, in this order."""
        rows = np.asarray(rows, dtype=np.int64)
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Encoded(self.ids[flat], self.segments[flat], offsets, self.labels[rows], self.pad)

    def batch(self, rows: NDArray[np.int64], device: torch.device | str = "cpu") -> Batch:
        """Return these rows as tensors, padded to the longest of them.

        Shapes: rows (B,) -> (B, T).
        """
        rows = np.asarray(rows, dtype=np.int64)
        lengths = self.lengths[rows]
        places = np.arange(lengths.max())
        real = places < lengths[:, None]
        flat = np.where(real, self.offsets[rows][:, None] + places, 0)
        ids = np.where(real, self.ids[flat], self.pad).astype(np.int64)
        segments = np.where(real, self.segments[flat], 0).astype(np.int64)
        arrays = (ids, real.astype(np.int64), segments)
        words, mask, kinds = (upload(array, device) for array in arrays)
        return Batch(rows, words, mask, kinds, *self.targets(rows, device))

    def targets(
        self, rows: NDArray[np.int64], device: torch.device | str = "cpu"
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the labels of these rows, and the places of those that have one; None for all.

        Shapes: rows (B,) -> (B,) or (B, C), (K,).
        """
        labels, known = upload(self.labels[rows], device), self.labelled[rows]
        if known.all():
            return labels, None
        return labels, upload(np.flatnonzero(known), device)

    def save(self, path: Path) -> None:
        """Write one npz file atomically.

        Raises:
            Unavailable: the disk is full or read-only.
        """
        named = {name: getattr(self, name) for name in ARRAYS}
        save_arrays(path, named | {"pad": np.asarray(self.pad)})

    @classmethod
    def load(cls, path: Path) -> "Encoded":
        """Read a file that `save` wrote.

        Raises:
            NotFound: no such file.
            BadInput: not a file of tokens.
        """
        found = load_arrays(path, (*ARRAYS, "pad"), "a file of tokens")
        return cls(**{name: found[name] for name in ARRAYS}, pad=int(found["pad"]))


def encode(frame: pd.DataFrame, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Encoded:
    """Tokenise the columns text, (pair) and label, truncated to `max_length` tokens.

    Of a pair, the longer text is truncated first.
    """
    texts = [frame[name].tolist() for name in ("text", "pair") if name in frame]
    ids: list[NDArray[np.int32]] = []
    segments: list[NDArray[np.int8]] = []
    lengths: list[int] = []
    for start in range(0, len(frame), CHUNK):
        seen = tokenizer(
            *(column[start : start + CHUNK] for column in texts),
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            return_token_type_ids=True,
        )
        lengths += [len(row) for row in seen["input_ids"]]
        ids.append(_flat(seen["input_ids"], np.int32))
        segments.append(_flat(seen["token_type_ids"], np.int8))
    return Encoded(
        _joined(ids, np.int32),
        _joined(segments, np.int8),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        label_values(frame["label"]),
        _padding(tokenizer),
    )


def _flat(rows: list[list[int]], dtype: type) -> NDArray[Any]:
    return np.fromiter((value for row in rows for value in row), dtype=dtype)


def _joined(parts: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _padding(tokenizer: PreTrainedTokenizerBase) -> int:
    if tokenizer.pad_token_id is None:
        name = tokenizer.name_or_path or type(tokenizer).__name__
        raise BadInput(
            f"The tokenizer {name} has no padding token.",
            f"Use a checkpoint of {families.titles()}.",
        )
    return int(tokenizer.pad_token_id)
