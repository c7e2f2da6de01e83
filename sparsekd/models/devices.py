"""Devices of this machine on which torch can compute."""

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import nn

from sparsekd.models.memory import enough_memory
from sparsekd.runs.jobs import Device, processor

Model = TypeVar("Model", bound=nn.Module)
HINT = "Choose a smaller model, or free memory on the device."


def available() -> list[Device]:
    """Return CUDA devices, then MPS, then the CPU, each with a description."""
    found = []
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        memory = facts.total_memory
        words = f"{facts.name}, {memory / 2**30:.0f} GiB"
        found.append(Device(f"cuda:{index}", words, memory))
    if torch.backends.mps.is_available():
        words = "Apple GPU, memory shared with the processor"
        found.append(Device("mps", words, torch.mps.recommended_max_memory()))
    return [*found, processor()]


def move(model: Model, device: torch.device | str) -> Model:
    """Move a model to a device, in place, and return it.

    As a plain module: transformers' decorator of `to` loses `self`, so that no device fits.

    Raises:
        Unavailable: memory ran out.
    """
    with enough_memory(HINT):
        return model.to(device)


def synchronise(device: torch.device) -> None:
    """Wait until a device has finished: calls on a GPU return before their work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which tensors keep their own precision, inside that of training too."""
    return torch.autocast(device.type, enabled=False)


def training_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which training computes: bfloat16 on CUDA, where it is fast."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
