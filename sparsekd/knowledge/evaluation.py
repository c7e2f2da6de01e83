"""Prediction and evaluation: one pass over a split, in batches of similar length."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd.data import Encoded, packed
from sparsekd.models.devices import move
from sparsekd.models.gates import cls_only
from sparsekd.models.memory import enough_memory
from sparsekd.system import budgets
from sparsekd.tasks import TaskCard, metrics

Logits = NDArray[np.float32]
OnProgress = Callable[[dict[str, Any]], None]

HINT = "Lower max_length, choose a smaller model, or free memory on the device."


def no_progress(event: dict[str, Any]) -> None:
    """Ignore the event: the default of `on_progress`."""


@contextmanager
def eval_mode(model: PreTrainedModel) -> Iterator[None]:
    """Set evaluation mode (no dropout) inside the block; restore the former mode after it."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def predict(
    model: PreTrainedModel,
    data: Encoded,
    device: torch.device | str = "cpu",
    on_progress: OnProgress = no_progress,
) -> Logits:
    """Return the model's logits in float32 precision, in the data's own order.

    `on_progress` receives {done, total, examples_per_second, eta} after each batch, eta in
    seconds; an exception that it raises ends the pass.

    Shapes: -> (N, C), N here the number of examples.
    Raises:
        Unavailable: memory ran out.
    """
    move(model, device)
    batches = packed(data.lengths, budgets.tokens(torch.device(device).type))
    parts, done, start = [], 0, time.monotonic()
    with enough_memory(HINT), torch.no_grad(), eval_mode(model), cls_only(model):
        for rows in batches:
            batch = data.batch(rows, device)
            parts.append(model(**batch.inputs(model)).logits.float().cpu())
            done += len(rows)
            on_progress(_progress(done, len(data), time.monotonic() - start))
    logits = torch.cat(parts).numpy() if parts else np.zeros((0, model.config.num_labels or 0))
    return _in_order(logits.astype(np.float32), batches)


def evaluate(
    model: PreTrainedModel,
    data: Encoded,
    card: TaskCard,
    device: torch.device | str = "cpu",
    on_progress: OnProgress = no_progress,
) -> tuple[dict[str, float], Logits]:
    """Return the task's metrics with the mean loss ("loss"), and the logits behind them.

    Raises:
        Incompatible: the model has another number of classes than the task.
        BadInput: NaN or infinite logits; Unavailable: memory ran out.
    """
    logits = predict(model, data, device, on_progress)
    return metrics.evaluate(card, logits, data.labels), logits


def _progress(done: int, of: int, seconds: float) -> dict[str, Any]:
    speed = done / max(seconds, 1e-9)
    return {
        "done": done,
        "total": of,
        "examples_per_second": speed,
        "eta": (of - done) / speed,
    }


def _in_order(logits: Logits, batches: list[NDArray[np.int64]]) -> Logits:
    ordered = np.empty_like(logits)
    if batches:
        ordered[np.concatenate(batches)] = logits
    return ordered
