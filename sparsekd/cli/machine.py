"""The commands about this machine: `devices`, `bench`."""

from dataclasses import asdict

from pydantic import Field

from sparsekd.bench import Bench, Size, line
from sparsekd.cli.options import Request
from sparsekd.cli.output import note, output, print_json
from sparsekd.cli.tasks import ColumnsRequest, describe
from sparsekd.errors import BadInput
from sparsekd.runs import device_checks, jobs, references


class BenchRequest(ColumnsRequest):
    """One benchmark, or all."""

    teacher: str | None = Field(None, description="run id or folder (default: a demo model)")
    task: str = Field("demo/sentiment", description="name of a task, or a folder of files")
    only: Bench | None = Field(None, description="this benchmark alone")
    size: Size | None = Field(None, description="a model of this size, with random weights")
    device: str = Field("auto", description="auto, cpu, cuda:0, mps … (see: devices)")


def devices(request: Request) -> None:
    """List the devices that torch can compute on here."""
    from sparsekd.models.devices import available

    found = available()
    lines = [f"{each.name:8} {each.words}; {device_checks.in_words(each.name)}" for each in found]
    output(request, [asdict(device) for device in found], "\n".join(lines))


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
