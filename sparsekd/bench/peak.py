"""The peak of a device: its fastest matrix product and copy, measured; and shares of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from sparsekd.bench import Row
from sparsekd.bench.seconds import seconds

Shape = Sequence[int]
Precision = Literal["float32", "bfloat16"]
SIDE = {"cpu": 768}  # of the square matrices; large enough to reach the peak
SIDE_ELSEWHERE = 8192
COPIED = {"cpu": 2**26}  # bytes; larger than a cache
COPIED_ELSEWHERE = 2**30
REPEATS = 5


@dataclass(frozen=True)
class Peak:
    """The operations of matrix products, 2 per multiply-add, and the bytes moved per second."""

    device: torch.device
    float32: float
    bfloat16: float
    bandwidth: float

    def share(self, operations: float, spent: float, precision: Precision = "float32") -> float:
        """Return the share of the peak that so many operations in so many seconds reach."""
        rate: float = getattr(self, precision)
        return operations / spent / rate

    def training_share(self, operations: float, spent: float) -> float:
        """Return the share in the precision of training: bfloat16 on CUDA, else float32."""
        low = self.device.type == "cuda"
        return self.share(operations, spent, "bfloat16" if low else "float32")

    def rows(self) -> list[Row]:
        """Return the peak as rows of the benchmark."""
        side = _of(SIDE, SIDE_ELSEWHERE, self.device)
        copied = _of(COPIED, COPIED_ELSEWHERE, self.device)
        return [
            {
                "what": f"{self.device}: matrix product in bfloat16 / in float32",
                "ratio": self.bfloat16 / self.float32,
                "note": f"{self.bfloat16 / 1e12:.2f} and {self.float32 / 1e12:.2f} TFLOP/s, "
                f"{side} × {side}, TF32 off, {torch.get_num_threads()} threads",
            },
            {
                "what": f"{self.device}: bytes moved by a copy / operations in float32",
                "ratio": self.bandwidth / self.float32,
                "note": f"{self.bandwidth / 1e9:.0f} GB/s read and written, "
                f"copies of {copied / 2**20:.0f} MiB",
            },
        ]


def measure(device: torch.device) -> Peak:
    """Measure the peak of a device."""
    return Peak(
        device,
        _product_rate(device, torch.float32),
        _product_rate(device, torch.bfloat16),
        _bandwidth(device),
    )


def operations(run: Callable[[], object]) -> int:
    """Run the work once; return the operations of its matrix products, forward and backward."""
    counter = FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
    with counter:
        run()
    return int(counter.get_total_flops())


def _cpu_attention(query: Shape, key: Shape, value: Shape, *_: object, **__: object) -> int:
    counted: int = sdpa_flop_count(query, key, value)
    return counted


_CPU_ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention}
"""The forward attention kernel of a CPU, which torch itself does not count."""


def _product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return the operations per second of the fastest of some matrix products."""
    side = _of(SIDE, SIDE_ELSEWHERE, device)
    one, two = (torch.randn(side, side, dtype=dtype, device=device) for _ in range(2))
    into = torch.empty_like(one)

    def multiply() -> None:
        torch.mm(one, two, out=into)

    multiply()
    return 2 * side**3 / min(seconds(multiply, device) for _ in range(REPEATS))


def _bandwidth(device: torch.device) -> float:
    source = torch.ones(_of(COPIED, COPIED_ELSEWHERE, device) // 4, device=device)
    into = torch.empty_like(source)

    def copy() -> None:
        into.copy_(source)

    copy()
    return 2 * 4 * len(source) / median(seconds(copy, device) for _ in range(REPEATS))


def _of(sizes: dict[str, int], elsewhere: int, device: torch.device) -> int:
    return sizes.get(device.type, elsewhere)
