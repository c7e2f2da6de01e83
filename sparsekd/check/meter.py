"""What a step takes on a device: seconds, peak memory, number formats, and memory left behind."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from sparsekd.check import Difference
from sparsekd.models.devices import synchronise

MIB = 2**20
LEFT = 0.5  # MiB that a step may leave behind
LEFT_REASON = "libraries keep small buffers; any weight or activation is larger"
LEFT_BY_EXPORTER = 4.0  # MiB: it keeps one exported model, and no more after three exports
EXPORTER_REASON = "torch's ONNX exporter keeps one model of this size"


@dataclass
class Meter:
    """The measurements of one step, summed over the parts that compute on the device."""

    device: torch.device
    seconds: float = 0.0
    peak_mib: float | None = None
    formats: set[str] = field(default_factory=set)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure what runs on the device inside the block."""
        _reset_peak(self.device)
        hook = register_module_forward_hook(self._see)
        start = time.perf_counter()
        try:
            yield
        finally:
            hook.remove()
            synchronise(self.device)
            self.seconds += time.perf_counter() - start
            peak = _peak_mib(self.device)
            if peak is not None:
                self.peak_mib = max(peak, self.peak_mib or 0.0)

    def _see(self, module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(module, nn.Linear) and isinstance(output, torch.Tensor):
            self.formats.add(str(output.dtype).removeprefix("torch."))


def left_behind(device: torch.device, before: int, exports: bool = False) -> Difference:
    """Return the memory in MiB that is held now and was not `before` (bytes).

    Args:
        exports: Whether torch's ONNX exporter ran.
    """
    left = max(0, held_bytes(device) - before) / MIB
    allowed = (LEFT_BY_EXPORTER, EXPORTER_REASON) if exports else (LEFT, LEFT_REASON)
    return Difference("memory left behind, MiB", left, *allowed)


def held_bytes(device: torch.device) -> int:
    """Return the bytes that tensors on the device hold, after garbage collection."""
    gc.collect()
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.current_allocated_memory()
    storages: dict[int, int] = {}
    for each in gc.get_objects():
        # By its type: asking a lazy object for its class could run its code.
        if issubclass(type(each), torch.Tensor):
            storage = each.untyped_storage()
            if storage.device.type == device.type:  # a fake tensor's storage is "meta"
                storages[storage._cdata] = storage.nbytes()
    return sum(storages.values())


@contextmanager
def only_new_objects() -> Iterator[None]:
    """Leave out of `held_bytes` what exists already: collection is then fast."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def warm_up(device: torch.device) -> None:
    """Let the device's libraries take their buffers, which they keep: no step has left them."""
    formats = [torch.float32, torch.bfloat16] if device.type == "cuda" else [torch.float32]
    for form in formats:
        layer = nn.Linear(64, 64, device=device, dtype=form)
        inputs = torch.randn(2, 8, 64, device=device, dtype=form)
        hidden = layer(inputs)
        torch.autograd.backward((hidden @ hidden.mT).float().sum())
    synchronise(device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    clear = Path("/proc/self/clear_refs")
    if device.type == "cpu" and clear.exists():
        clear.write_text("5", encoding="ascii")  # proc(5): resets the peak of resident memory


def _peak_mib(device: torch.device) -> float | None:
    """Return the peak since `_reset_peak`; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    status = Path("/proc/self/status")
    if device.type != "cpu" or not status.exists():
        return None
    lines = status.read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM")), None)
