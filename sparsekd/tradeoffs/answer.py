"""The answer of a trade-off study in words: the verdict first, then what limits it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sparsekd import statistics
from sparsekd.tasks.metrics import METRICS
from sparsekd.tradeoffs.choosing import Choice

ANSWERS = {"better": "Yes", "worse": "No", "inconclusive": "Inconclusive"}
AGAINST = {
    "dense": "the dense teacher's",
    "random": "that of a randomly masked teacher",
    "magnitude": "that of a teacher masked by weight size",
    "none": "the one without a teacher",
    "λ = 0": "that at λ = 0",
    "λ = 1": "that at λ = 1",
}


def sentence(verdicts: pd.DataFrame, choices: Sequence[Choice], metric: str) -> str:
    """Whether a sparser teacher made a better student, how sure that is, and what limits it.

    The dense teacher, which had as many tries, is what the answer is about; without it the first
    control is.
    """
    chosen = {choice.ranking: choice for choice in choices}
    ours = chosen.get("scores")
    if ours is None or verdicts.empty:
        return "No verdict yet: no cell and control are complete over all seeds."
    first, *others = sorted(verdicts.to_dict("records"), key=lambda row: row["control"] != "dense")
    words = [_answer(first, ours, chosen[first["control"]], metric)]
    if others:
        words.append(_others(others))
    words.append(_optimism(ours, metric))
    return " ".join(words)


def _answer(row: dict[Any, Any], ours: Choice, control: Choice, metric: str) -> str:
    word, _, why = str(row["verdict"]).partition(": ")
    head = ANSWERS[word]
    if ours.tries < ours.planned:
        head = f"So far, with {ours.tries} of {ours.planned} cells complete: {head.lower()}"
    name = f"the student of the sparse teacher (λ {ours.lam:g}, sparsity {ours.sparsity:.0%})"
    if ours.sparsity == 0:
        name = "no sparse teacher was chosen, and the dense teacher's first student"
    stands = "cannot be told from" if word == "inconclusive" else f"is {word} than"
    best = f", the best of {control.tries} tries," if control.tries > 1 else ""
    numbers = f"{row['difference']:+.4f} {_named(metric)}"
    if np.isfinite(row["low"]):
        numbers += f" (95 % interval {row['low']:+.4f} to {row['high']:+.4f}"
        numbers += f", {row['seeds']} seeds, corrected p = {row['p_corrected']:.2g})"
    tail = f": {why}" if why and word == "inconclusive" else ""
    if word == "inconclusive" and row["seeds"] > 1 and row["difference"] != 0:
        needed = row["needed_seeds"]
        tail += f"; {statistics.needed_in_words(np.inf if np.isnan(needed) else needed)}"
    return f"{head}: {name} {stands} {AGAINST[row['control']]}{best} by {numbers}{tail}."


def _others(rows: Sequence[dict[Any, Any]]) -> str:
    """The other controls by what is said of them."""
    told: dict[str, list[str]] = {}
    for row in rows:
        told.setdefault(str(row["verdict"]), []).append(AGAINST[row["control"]])
    parts = [f"{verdict.replace(':', ',')} ({', '.join(who)})" for verdict, who in told.items()]
    return f"Against the other controls: {'; '.join(parts)}."


def _optimism(ours: Choice, metric: str) -> str:
    return (
        f"Its {_named(metric)} is {ours.reported:.4f}; choosing among its {ours.tries} tries on "
        f"the reported data would have claimed {ours.claimed:.4f}."
    )


def _named(metric: str) -> str:
    return METRICS[metric].title.lower() if metric in METRICS else metric
