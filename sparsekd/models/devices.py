"""Devices of this machine on which torch can compute."""

import torch

from sparsekd.runs.jobs import Device, describe_processor


def available() -> list[Device]:
    """Return CUDA devices, then MPS, then the CPU, each with a description."""
    found = []
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        memory = facts.total_memory / 2**30
        found.append(Device(f"cuda:{index}", f"{facts.name}, {memory:.0f} GiB"))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU, memory shared with the processor"))
    return [*found, Device("cpu", describe_processor())]
