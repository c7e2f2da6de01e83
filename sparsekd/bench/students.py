"""Students per hour: one by one, several as one stack, and several processes side by side."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np

from sparsekd.bench import Row
from sparsekd.bench.peak import Peak
from sparsekd.bench.student_benchmark import Setting, Sizes, serve
from sparsekd.errors import Unavailable
from sparsekd.runs import stacking
from sparsekd.runs.stacking import StackSetting
from sparsekd.stages.context import SMALL

NEAR = 0.95
TIMEOUT = 600.0  # seconds to wait for a process
Layout = tuple[int, int]
"""The number of processes side by side, and of the students stacked in each."""


def layouts(device: str, cores: int) -> list[Layout]:
    """Return the layouts to measure on a device; one student in one process comes first."""
    if device == "cpu":
        return [(slots, many) for slots in sorted({1, cores}) for many in (1, 2, 4, 8)]
    return [(1, 1), (1, 4), (1, 8), (1, 16), (1, 32), (2, 1), (2, 16), (4, 1), (4, 8)]


def measure(
    setting: Setting, tried: Sequence[Layout], rounds: int = 2, peak: Peak | None = None
) -> list[Row]:
    """Measure all layouts in turn; the ratios to the first are medians over the rounds.

    Only optimiser steps are timed, not loading, evaluation and saving. The fastest layout is
    stored for this device and for students up to this width.

    Raises:
        Unavailable: a process has died, perhaps for lack of memory.
    """
    with _processes(setting, max(slots for slots, _ in tried)) as workers:
        sizes: Sizes = [_receive(worker) for worker in workers][-1]
        rates: dict[Layout, list[float]] = {layout: [] for layout in tried}
        for _ in range(rounds):
            for layout in tried:
                rates[layout].append(_rate(workers[: layout[0]], layout, setting, sizes))
    hourly = {layout: median(each) * 3600 / sizes.steps for layout, each in rates.items()}
    best = fastest(hourly)
    words = sizes.words + _load_warning()
    by_name = {_name(layout): round(value, 1) for layout, value in hourly.items()}
    stacking.save_setting(setting.device, StackSetting(*best, by_name, sizes.width))
    rows: list[Row] = [
        {
            "what": f"students: {_name(layout)} / {_name(tried[0])} (processes × together)",
            "ratio": median(np.divide(each, rates[tried[0]]).tolist()),
            "note": f"{hourly[layout]:.0f} an hour{' (remembered)' * (layout == best)}; {words}",
        }
        for layout, each in rates.items()
    ]
    if peak:
        for row, each in zip(rows, rates.values(), strict=True):
            row["share"] = peak.training_share(sizes.operations * median(each), 1.0)
    return rows


def fastest(hourly: Mapping[Layout, float]) -> Layout:
    """Return the layout with the smallest stack among those within 5% of the fastest.

    A small stack loses less when it is killed, and on a busy machine no measurement is better
    than that.
    """
    good = [layout for layout in hourly if hourly[layout] >= NEAR * max(hourly.values())]
    return min(good, key=lambda layout: (layout[1], -hourly[layout]))


def _name(layout: Layout) -> str:
    return f"{layout[0]} × {layout[1]}"


def _load_warning() -> str:
    """Return a warning where more processes than cores were running in the last minute."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return f"; the machine was busy (load {load:.1f})" if load > (os.cpu_count() or 1) + 1 else ""


def _rate(workers: list[Connection], layout: Layout, setting: Setting, sizes: Sizes) -> float:
    """Return the steps of one student per second, in all processes together."""
    slots, stacked = layout
    threads = 1 if sizes.width < SMALL else max(1, setting.cores // slots)
    for worker in workers:
        worker.send((stacked, threads))
    for worker in workers:  # all have built their students before any starts
        _receive(worker)
    for worker in workers:
        worker.send("go")
    rates: list[float] = [_receive(worker) for worker in workers]
    return sum(rates)


@contextmanager
def _processes(setting: Setting, count: int) -> Iterator[list[Connection]]:
    """Start processes that train on demand; they end with the block."""
    context = get_context("spawn")  # a CUDA device cannot be used after a fork
    pairs = [context.Pipe() for _ in range(count)]
    processes = [context.Process(target=serve, args=(end, setting)) for _, end in pairs]
    for process, (_, end) in zip(processes, pairs, strict=True):
        process.start()
        end.close()
    try:
        yield [own for own, _ in pairs]
    finally:
        for own, _ in pairs:
            own.close()
        for process in processes:
            process.join(TIMEOUT)


def _receive(worker: Connection) -> Any:
    """Return the next message of a process.

    Raises:
        Unavailable: it has died or does not answer.
    """
    hint = "Its message is above; where memory ran out, take a smaller teacher."
    try:
        if worker.poll(TIMEOUT):
            return worker.recv()
    except (EOFError, OSError) as error:
        raise Unavailable("A process of the benchmark has died.", hint) from error
    raise Unavailable(f"A process of the benchmark gave no answer in {TIMEOUT:.0f} seconds.", hint)
