"""How commands answer: words for people, one JSON value for machines."""

import json
import math
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sparsekd.runs import tables
from sparsekd.runs.records import Run


def say(words: str) -> None:
    """A line for people, beside the output."""
    print(words, file=sys.stderr, flush=True)


def tell(args: Namespace, facts: Any, words: str) -> None:
    """Words, or with --json the facts."""
    if args.json:
        print_json(facts)
    else:
        print(words)


def print_json(facts: Any) -> None:
    """One JSON value on standard output."""
    print(json.dumps(_plain(facts), ensure_ascii=False, allow_nan=False))


def _plain(facts: Any) -> Any:
    """JSON has no NaN: what is unknown becomes null."""
    if isinstance(facts, float) and not math.isfinite(facts):
        return None
    if isinstance(facts, Mapping):
        return {str(key): _plain(value) for key, value in facts.items()}
    if isinstance(facts, Sequence) and not isinstance(facts, str):
        return [_plain(value) for value in facts]
    return facts.item() if hasattr(facts, "item") else facts


def run_facts(run: Run) -> dict[str, Any]:
    """What is known of a run, as plain values."""
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
