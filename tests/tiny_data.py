"""Small data sets of token ids, for the tests of methods, training and evaluation."""

import numpy as np
import torch

from sparsekd.data import Batch, Encoded
from sparsekd.tasks import TaskCard

LABELS = {1: (), 2: ("no", "yes"), 3: ("no", "maybe", "yes")}
METRICS = {1: ("pearson", "spearman"), 2: ("accuracy",), 3: ("accuracy",)}


def tiny_card(classes: int = 2) -> TaskCard:
    """A task with that many classes; 1 is a regression."""
    words = ("text",), "label", LABELS[classes], METRICS[classes]
    return TaskCard("tiny", "Tiny", "these tests", "folder", "/nowhere", *words)


def several_card() -> TaskCard:
    """A task with any number of three labels for each text."""
    words = ("text",), "labels", ("a", "b", "c"), ("micro_f1", "macro_f1", "subset_accuracy")
    return TaskCard("tiny", "Tiny", "these tests", "folder", "/nowhere", *words, multilabel=True)


def several_data(examples: int = 32, seed: int = 0) -> Encoded:
    """Random texts; a label says whether their second word is above a quarter, half, 3 quarters."""
    data = tiny_data(examples, 1, seed)
    flags = data.labels[:, None] > np.array([0.25, 0.5, 0.75])
    return data.with_labels(flags.astype(np.float32))


def tiny_data(
    examples: int = 32, classes: int = 2, seed: int = 0, shortest: int = 3, longest: int = 12
) -> Encoded:
    """Random texts of various lengths; the label says whether their second word is a late one."""
    drawn = np.random.default_rng(seed)
    lengths = drawn.integers(shortest, longest + 1, examples)
    ids = drawn.integers(5, 40, lengths.sum()).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids[offsets[:-1]] = 2
    share = (ids[offsets[:-1] + 1] - 5) / 35
    labels = share.astype(np.float32) if classes == 1 else (share * classes).astype(np.int64)
    return Encoded(ids, np.zeros_like(ids, dtype=np.int8), offsets, labels)


def padded(batch: Batch, more: int) -> Batch:
    """The same batch with `more` columns of padding."""
    widths = (0, more)
    columns = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
    wide = [torch.nn.functional.pad(each, widths) for each in columns]
    return Batch(batch.rows, *wide, batch.labels)
