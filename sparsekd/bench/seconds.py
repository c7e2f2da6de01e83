"""The seconds of a piece of work on a device."""

import time
from collections.abc import Callable

import torch

from sparsekd.models.devices import synchronise


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of a run; nothing else is on the device when it starts or ends."""
    synchronise(device)
    start = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - start
