"""How many runs work in parallel on a device."""

from sparsekd.runs import jobs
from sparsekd.scheduler.executors.local import slots_of


def parallel_runs(device: str) -> int:
    """Return the slots of a device; of "auto", those of all GPUs, else of the processor."""
    if device != "auto":
        return slots_of(device)
    found = [one.name for one in jobs.devices(detect=False)]
    return sum(slots_of(name) for name in [n for n in found if n != "cpu"] or found)
