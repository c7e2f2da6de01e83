"""Latency of forward passes: models take turns, so that a busy machine slows all alike."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd.errors import BadInput
from sparsekd.models import architectures
from sparsekd.models.devices import synchronise

WARM_UP = 2
Times = dict[str, NDArray[np.float64]]


@torch.inference_mode()
def forward_times(
    models: Mapping[str, PreTrainedModel],
    batch: int,
    tokens: int,
    rounds: int,
    on_round: Callable[[], None],
) -> Times:
    """Return the seconds of each forward pass over the same random texts, round by round.

    Args:
        models: Models on one device, with one vocabulary.
        on_round: Called after each round; an exception ends the measurement.

    Shapes: -> (rounds,) for each model.
    Raises:
        BadInput: texts longer than the models' maximum.
    """
    inputs = full_inputs(next(iter(models.values())), batch, tokens)
    for model in models.values():
        for _ in range(WARM_UP):
            _seconds(model, inputs)
    spent: dict[str, list[float]] = {name: [] for name in models}
    names = list(models)
    for turn in range(rounds):
        first = turn % len(names)  # no model always follows the same one
        for name in names[first:] + names[:first]:
            spent[name].append(_seconds(models[name], inputs))
        on_round()
    return {name: np.array(each) for name, each in spent.items()}


def full_inputs(model: PreTrainedModel, batch: int, tokens: int) -> dict[str, torch.Tensor]:
    """Return random texts of this length without padding, on the model's device.

    Shapes: -> (B, T).
    Raises:
        BadInput: longer than the model's maximum.
    """
    longest = architectures.max_tokens(model)
    if tokens > longest:
        raise BadInput(
            f"{tokens} tokens are more than the model's maximum of {longest}.",
            "Use shorter texts.",
        )
    padding, vocabulary = model.config.pad_token_id or 0, architectures.shape(model).vocabulary
    drawn = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary - 1, (batch, tokens), generator=drawn)
    ids += ids >= padding
    made = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return {name: each.to(model.device) for name, each in made.items()}


def _seconds(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> float:
    start = time.perf_counter()
    model(**inputs)
    synchronise(model.device)
    return time.perf_counter() - start
