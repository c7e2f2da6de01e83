"""The commands about this machine: `devices`, `check`, `bench`."""

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd
from pydantic import Field

<<<<<<< HEAD
from sparsekd.bench import Bench, Size, line
from sparsekd.cli.options import Request
from sparsekd.cli.output import note, output, print_json
=======
from sparsekd.check import CheckRow
from sparsekd.cli.options import DeviceRequest, Request, split
from sparsekd.cli.output import note, output, table_text
>>>>>>> 44958fe (check --device: the main job in miniature on a device, each step against the processor)
from sparsekd.cli.tasks import ColumnsRequest, describe
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, references


class BenchRequest(ColumnsRequest):
    """One benchmark, or all."""

    teacher: str | None = Field(None, description="run id or folder (default: a demo model)")
    task: str = Field("demo/sentiment", description="name of a task, or a folder of files")
    only: Bench | None = Field(None, description="this benchmark alone")
    size: Size | None = Field(None, description="a model of this size, with random weights")
    device: str = Field("auto", description="auto, cpu, cuda:0, mps … (see: devices)")


class CheckRequest(DeviceRequest):
    """A check of one device."""

    only: str = Field("", description="these steps alone, with commas between them")


def devices(request: Request) -> None:
    """List the devices that torch can compute on here."""
    from sparsekd.models.devices import available

    found = available()
    text = "\n".join(f"{device.name:8} {device.words}" for device in found)
    output(request, [asdict(device) for device in found], text)


def check(request: CheckRequest) -> int:
    """Check that everything works on a device, step by step against the processor.

    Returns:
        The exit code: 1 where a step failed or differs.
    """
    from sparsekd.check.suite import check as check_device

    def on_row(row: CheckRow, done: int, total: int) -> None:
        note(f"[{done}/{total}] {row.step}: {row.status} ({row.seconds:.1f} s)")

    rows = check_device(request.device, on_row, split(request.only))
    output(request, [row.facts() for row in rows], check_table(rows))
    for row in rows:
        if row.log:
            note(f"\n{row.step}:\n{row.log}")
    return int(any(row.status in ("differs", "failed") for row in rows))


def check_table(rows: Sequence[CheckRow]) -> str:
    """Return a check's rows as aligned text."""
    columns = [
        {
            "step": row.step,
            "result": row.status,
            "seconds": f"{row.seconds:.1f}",
            "peak MiB": "–" if row.peak_mib is None else f"{row.peak_mib:,.0f}",
            "precision": row.precision or "–",
            "largest difference": row.words(),
        }
        for row in rows
    ]
    return table_text(pd.DataFrame(columns))


def bench(request: BenchRequest) -> None:
    """Measure this program's speed as ratios to plain versions of the same work."""
    from sparsekd.bench import sizes
    from sparsekd.bench.suite import measure

    if request.teacher and request.size:
        raise BadInput("--size stands beside --teacher.", "Give one of the two.")
    jobs.check_device(request.device)
    device = jobs.devices()[0].name if request.device == "auto" else request.device
    card = request.card_of(request.task)
    note(describe(card))
    own = references.model(request.teacher) if request.teacher else None
    rows = []
    for row in measure(own or sizes.reference(request.size or "demo"), card, request.only, device):
        rows.append(row)
        if not request.as_json:
            print(line(row), flush=True)
    if request.as_json:
        print_json(rows)
