"""Print results: text for people on standard output, or one JSON value; notes on standard error."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from sparsekd.cli.options import Request
from sparsekd.runs import tables
from sparsekd.runs.records import Run


def note(text: str) -> None:
    """Print a line to standard error, so that standard output holds the result alone."""
    print(text, file=sys.stderr, flush=True)


def output(request: Request, facts: Any, text: str) -> None:
    """Print the text, or with --json the facts."""
    if request.as_json:
        print_json(facts)
    else:
        print(text)


def print_json(facts: Any) -> None:
    """Print one JSON value; what is not finite becomes null."""
    print(json.dumps(_plain(facts), ensure_ascii=False, allow_nan=False))


def _plain(facts: Any) -> Any:
    if isinstance(facts, float) and not math.isfinite(facts):
        return None
    if isinstance(facts, Mapping):
        return {str(key): _plain(value) for key, value in facts.items()}
    if isinstance(facts, Sequence) and not isinstance(facts, str):
        return [_plain(value) for value in facts]
    return facts.item() if hasattr(facts, "item") else facts


def table_text(frame: pd.DataFrame, number: str = "{:.4f}") -> str:
    """Return a frame as aligned text without its index; a dash where a value is missing."""
    return str(frame.to_string(index=False, float_format=number.format, na_rep="–"))


def majority_lines(facts: Mapping[str, Any], metric: str) -> str:
    """Return the majority baseline's score as text; warnings go to standard error."""
    for warning in facts["warnings"]:
        note(f"Warning: {warning}")
    value = facts["majority"].get(metric)
    return "" if value is None else f"One answer to every text (majority): {value:.4g}"


def verdict_table(verdicts: pd.DataFrame, name: str) -> str:
    """Return verdicts as text, a row per comparison; column `name` says what it is against.

    Each interval has the confidence beside it, p is corrected.
    """
    columns = {
        name: "against" if name == "what" else name,
        "difference": "difference",
        "low": "low",
        "high": "high",
        "confidence": "confidence",
        "p_corrected": "p",
        "wins": "wins",
        "seeds": "seeds",
        "words": "verdict",
    }
    shown = verdicts[list(columns)].rename(columns=columns)
    formats = dict.fromkeys(("difference", "low", "high"), "{:+.4f}")
    formats |= {"confidence": "{:.2%}", "p": "{:.2g}"}
    for column, pattern in formats.items():
        shown[column] = ["–" if each != each else pattern.format(each) for each in shown[column]]
    return str(shown.to_string(index=False))


def run_facts(run: Run) -> dict[str, Any]:
    """Return a run as plain values."""
    return {
        "id": run.id,
        "state": str(run.state),
        "stage": run.recipe.stage,
        "what": tables.title(run.recipe),
        "recipe": asdict(run.recipe),
        "device": run.device,
        "progress": asdict(run.progress),
        "metrics": run.outcome.metrics,
        "facts": run.outcome.facts,
        "message": run.outcome.message,
        "hint": run.outcome.hint,
        "seconds": run.seconds,
        "folder": str(run.folder),
    }
