"""All steps in order, each in a row; what was found is kept for the device picker."""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch

from sparsekd import __version__
from sparsekd.catalog import rankings
from sparsekd.catalog.methods import METHODS
from sparsekd.check import (
    CheckRow,
    Difference,
    NotRun,
    StepFailed,
    judged,
    measuring,
    removing,
    training,
    workers,
    workshop,
)
from sparsekd.check.differences import regime
from sparsekd.check.meter import Meter, held_bytes, left_behind, only_new_objects, warm_up
from sparsekd.check.workshop import LOG_LINES, Workshop
from sparsekd.errors import unknown
from sparsekd.models.devices import available
from sparsekd.runs import device_checks
from sparsekd.runs.device_checks import DeviceCheck

Step = Callable[[Workshop], Iterator[Difference]]
OnRow = Callable[[CheckRow, int, int], None]
"""Receives each row as it is made, the number of rows so far and their total."""

# The beginnings of the names of steps that train, which may be in bfloat16.
TRAINS = ("fine-tune", "distil", "stack", "two runs", "resume")


def steps() -> dict[str, Step]:
    """Return every step by its name, in order."""
    found: dict[str, Step] = {"fine-tune": training.fine_tune}
    found |= {f"distil: {name}": partial(training.distil, method=name) for name in METHODS}
    found["stack of students"] = training.stack
    for aggregate in ("per_batch", "per_example"):
        found[f"scores: {aggregate}"] = partial(measuring.score, aggregate=aggregate)
    found |= {"Jacobian": measuring.jacobian, "mask": measuring.mask}
    found |= {"prune": removing.prune, "layers without units": removing.empty_layers}
    found["probe grid"] = removing.probe
    found["masked teachers: sliced"] = partial(removing.masked_teachers, strategy="sliced")
    found["masked teachers: stacked"] = partial(removing.masked_teachers, strategy="stacked")
    found["ablation"] = removing.ablate
    for name in rankings.names("data"):
        found[f"attributions: {name}"] = partial(measuring.attribute, kind=name)
    found["attributions: tokens"] = measuring.attribute_tokens
    for form in ("pruned", "gated", "onnx"):
        found[f"export: {form}"] = partial(removing.export, form=form)
    found |= {"two runs in two slots": workers.two_slots, "resume after a kill": workers.resumed}
    return found | {"a run that does not fit": workers.too_large}


def check(
    device: str,
    on_row: OnRow = lambda row, done, total: None,
    only: Sequence[str] = (),
) -> list[CheckRow]:
    """Check a device, step by step, against the processor in float32; keep what was found.

    Args:
        device: torch's name for it; "auto": the fastest.
        only: The names of steps to run alone; what was found is then not kept.

    Raises:
        NotFound: no such device, or no such step.
    """
    known = {each.name: each.words for each in available()}
    device = next(iter(known)) if device == "auto" else device
    if device not in known:
        raise unknown("device", device, [*known, "auto"])
    chosen = steps()
    for name in only:
        if name not in chosen:
            raise unknown("step", name, chosen)
    chosen = {name: step for name, step in chosen.items() if not only or name in only}
    with device_checks.at_work(device) as report:

        def on_each(row: CheckRow, done: int) -> None:
            report(done, len(chosen), row.step)
            on_row(row, done, len(chosen))

        rows = _rows(device, chosen, on_each)
        if not only:
            device_checks.save(summary(device, known[device], rows))
    return rows


def _rows(
    device: str, chosen: Mapping[str, Step], on_each: Callable[[CheckRow, int], None]
) -> list[CheckRow]:
    rows: list[CheckRow] = []
    with workshop.opened(device) as shop, only_new_objects():
        warm_up(torch.device(device))
        shop.load_libraries()
        for name, step in chosen.items():
            rows.append(_row(name, step, shop))
            on_each(rows[-1], len(rows))
    return rows


def summary(device: str, words: str, rows: Sequence[CheckRow]) -> DeviceCheck:
    """Return what is kept of a check."""
    counts = Counter(row.status for row in rows)
    return DeviceCheck(
        device=device,
        words=words,
        version=__version__,
        torch=str(torch.__version__),
        checked=time.time(),
        ok=counts["ok"],
        differ=counts["differs"],
        failed=counts["failed"],
        not_run=counts["not run"],
        rows=tuple(row.facts() for row in rows),
    )


def _row(name: str, step: Step, shop: Workshop) -> CheckRow:
    """Run one step; whatever it raises is how it ended."""
    device = torch.device(shop.device)
    meter = shop.meter = Meter(device)
    before = held_bytes(device)
    log = ""
    try:
        found = [*step(shop), *_formats(name, shop)]
        found.append(left_behind(device, before, exports=name == "export: onnx"))
        status, why = judged(found), ""
    except NotRun as reason:
        return CheckRow(name, "not run", str(reason))
    except StepFailed as error:
        found, status, why, log = [], "failed", str(error), error.log
    except Exception as error:  # noqa: BLE001 (any error is how the step ended)
        found, status, why = [], "failed", f"{type(error).__name__}: {error}"
        log = "\n".join(traceback.format_exc().splitlines()[-LOG_LINES:])
    facts = (meter.seconds, meter.peak_mib, ", ".join(sorted(meter.formats)))
    return CheckRow(name, status, why, tuple(found), *facts, log)


def _formats(name: str, shop: Workshop) -> Iterator[Difference]:
    """Yield whether linear layers computed in other formats than they should."""
    allowed = {"float32"}
    if regime(shop.device, name.startswith(TRAINS)) == "bfloat16":
        allowed.add("bfloat16")
    others = sorted(shop.meter.formats - allowed)
    reason = f"only {' and '.join(sorted(allowed))} is meant to be used here"
    words = f" ({', '.join(others)})" if others else ""
    yield Difference(f"other number formats{words}", float(len(others)), 0.0, reason)
