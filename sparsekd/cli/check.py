"""The command `check`: whether everything works on a device."""

from collections.abc import Sequence

import pandas as pd
from pydantic import Field

from sparsekd.check import CheckRow
from sparsekd.cli.options import DeviceRequest, split
from sparsekd.cli.output import note, output, table_text


class CheckRequest(DeviceRequest):
    """A check of one device."""

    only: str = Field("", description="these steps alone, with commas between them")


def check(request: CheckRequest) -> int:
    """Check that everything works on a device, step by step against the processor.

    Returns:
        The exit code: 1 where a step failed or differs.
    """
    from sparsekd.check.suite import check as check_device

    def on_row(row: CheckRow, done: int, total: int) -> None:
        note(f"[{done}/{total}] {row.step}: {row.status} ({row.seconds:.1f} s)")

    rows = check_device(request.device, on_row, split(request.only))
    output(request, [row.facts() for row in rows], table(rows))
    for row in rows:
        if row.log:
            note(f"\n{row.step}:\n{row.log}")
    return int(any(row.status in ("differs", "failed") for row in rows))


def table(rows: Sequence[CheckRow]) -> str:
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
