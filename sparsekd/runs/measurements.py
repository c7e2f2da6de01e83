"""Measurements of a model's speed and size: a table, and its conclusion in words."""

from pathlib import Path
from typing import Any

import pandas as pd

from sparsekd.errors import BadInput, NotFound
from sparsekd.runs.records import Run
from sparsekd.system.files import atomic_write

FILE = "measure.parquet"
COLUMNS = (
    *("variant", "batch", "tokens", "milliseconds", "low", "high", "examples_per_second"),
    *("speedup", "speedup_low", "speedup_high", "flops", "parameters", "bytes"),
)
"""`milliseconds` is the median of a forward pass and low to high its middle half; `speedup` is
the median over rounds of the first variant's time by this one's in the same round, with its
middle half; `flops` are one text's; `bytes` those of the weights file."""


def save(folder: Path, rows: pd.DataFrame) -> None:
    """Write a measuring run's table atomically."""
    atomic_write(folder / FILE, lambda path: rows[list(COLUMNS)].to_parquet(path))


def table(run: Run) -> pd.DataFrame:
    """Return one row per variant, batch and length: the columns of `COLUMNS`.

    Raises:
        NotFound: the run has left no table; BadInput: the table is damaged.
    """
    path = run.folder / FILE
    if not path.exists():
        raise NotFound(f"Run {run.id} has left no {FILE}.", "Delete the run and measure again.")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is damaged.", "Delete the run and measure again.") from error


def sentences(rows: pd.DataFrame) -> list[str]:
    """Return how fast the last variant is against the first, for each batch and length.

    A speed-up whose middle half contains 1 is called unclear, not equal.
    """
    first, last = rows["variant"].iloc[0], rows["variant"].iloc[-1]
    if first == last:
        return []
    return [
        f"Batch {row.batch}, {row.tokens} tokens: {_verdict(row, first, last)}"
        for row in rows[rows["variant"] == last].itertuples()
    ]


def _verdict(row: Any, first: str, last: str) -> str:
    spread = f"middle half of the rounds {row.speedup_low:.2f} to {row.speedup_high:.2f} ×"
    if row.speedup_low <= 1 <= row.speedup_high:
        return f"no clear difference between {last} and {first} ({spread})."
    return f"the {last} model is {row.speedup:.2f} × as fast as the {first} one ({spread})."
