"""The commands about this machine: `devices`, `bench`."""

from dataclasses import asdict
from typing import Literal

from pydantic import Field

from sparsekd.cli.options import Request
from sparsekd.cli.output import note, output
from sparsekd.cli.tasks import ColumnsRequest, describe
from sparsekd.runs import references
from sparsekd.tasks.demo import DEMO_CHECKPOINT

Bench = Literal["scores", "masks", "distillation", "methods", "ablation", "probe", "students"]


class BenchRequest(ColumnsRequest):
    """One benchmark, or all."""

    teacher: str | None = Field(None, description="run id or folder (default: a demo model)")
    task: str = Field("demo/sentiment", description="name of a task, or a folder of files")
    only: Bench | None = Field(None, description="this benchmark alone")


def devices(request: Request) -> None:
    """List the devices that torch can compute on here."""
    from sparsekd.models.devices import available

    found = available()
    text = "\n".join(f"{device.name:8} {device.words}" for device in found)
    output(request, [asdict(device) for device in found], text)


def bench(request: BenchRequest) -> None:
    """Measure this program's speed as ratios to plain versions of the same work."""
    from sparsekd.bench.suite import measure

    card = request.card_of(request.task)
    note(describe(card))
    teacher = references.model(request.teacher) if request.teacher else DEMO_CHECKPOINT
    rows = measure(teacher, card, request.only)
    lines = [f"{row['ratio']:8.2f} ×  {row['what']}   {row['note']}" for row in rows]
    output(request, rows, "\n".join(lines))
