"""The answer of a trade-off study in words: the verdict first, then what limits it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sparsekd.studies import stats
from sparsekd.studies.sweep_results.choosing import Choice
from sparsekd.tasks import metrics

ANSWERS = {"better": "Yes", "worse": "No", "inconclusive": "Inconclusive"}
AGAINST = {
    "dense": "the dense teacher",
    "random": "a randomly masked teacher",
    "magnitude": "a teacher masked by weight size",
    "none": "no teacher",
    "λ = 0": "λ = 0",
    "λ = 1": "λ = 1",
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
    word, _, why = str(first["verdict"]).partition(": ")
    words = [
        f"{ANSWERS[word]}: {_chosen(ours)}",
        _against(first, chosen[first["control"]], metric, why if word != "better" else ""),
    ]
    if others:
        words.append(f"Against the other controls: {'; '.join(_alike(others))}.")
    words.append(_optimism(ours, metric))
    return " ".join(words)


def _chosen(ours: Choice) -> str:
    """What the selection split chose, of how many."""
    of = f"{ours.tries} tries"
    if ours.tries < ours.planned:
        of = f"the {ours.tries} of {ours.planned} tries that are complete"
    if ours.sparsity == 0:
        return f"of {of} the selection split chose no pruning at all (sparsity 0)."
    return f"of {of} the selection split chose λ {ours.lam:g} and sparsity {ours.sparsity:.0%}."


def _against(row: dict[Any, Any], control: Choice, metric: str, why: str) -> str:
    """The difference from the control that the answer is about."""
    best = f" with {control.tries} tries" if control.tries > 1 else ""
    numbers = f"{row['difference']:+.4f} {_named(metric)}"
    if np.isfinite(row["low"]):
        numbers += f" (95 % interval {row['low']:+.4f} to {row['high']:+.4f}"
        numbers += f", {row['seeds']} seeds, corrected p = {row['p_corrected']:.2g})"
    tail = f"; {why}" if why else ""
    open_one = str(row["verdict"]).startswith("inconclusive")
    if open_one and row["seeds"] > 1 and row["difference"] != 0:
        needed = row["needed_seeds"]
        tail += f"; {stats.needed_in_words(np.inf if np.isnan(needed) else needed)}"
    return f"Against {AGAINST[row['control']]}{best}: {numbers}{tail}."


def _alike(rows: Sequence[dict[Any, Any]]) -> list[str]:
    """Each verdict with the controls that it is about."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(str(row["verdict"]), []).append(AGAINST[row["control"]])
    return [f"{word.replace(': ', ', ')} ({', '.join(names)})" for word, names in found.items()]


def _optimism(ours: Choice, metric: str) -> str:
    return (
        f"The chosen student's {_named(metric)} is {ours.reported:.4f}; choosing among its "
        f"{ours.tries} tries on the reported data would have claimed {ours.claimed:.4f}."
    )


def _named(metric: str) -> str:
    return metrics.title(metric).lower()
