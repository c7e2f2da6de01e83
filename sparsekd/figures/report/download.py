"""The report of trade-off studies as the content of a file."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sparsekd.figures import report
from sparsekd.runs.records import Plan


def report_bytes(plans: Sequence[Plan], metric: str = "", split: str = "") -> bytes:
    """Return the HTML of the report; see `report.write`."""
    with tempfile.TemporaryDirectory() as folder:
        return report.write(plans, Path(folder) / "report.html", metric, split).read_bytes()
