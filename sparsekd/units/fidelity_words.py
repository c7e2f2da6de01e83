"""Sentences about how well scores predict ablation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sparsekd.catalog.rankings import RANDOM
from sparsekd.units import fidelity
from sparsekd.units.fidelity import Compared
from sparsekd.units.harm import Granularity

UNITS: dict[Granularity, str] = {
    "head": "Heads",
    "group": "Groups of neurons",
    "neuron": "Single neurons",
}
COMPARED: dict[Compared, str] = {"harm": "Harm", "size": "Size of the change"}


@dataclass(frozen=True)
class Finding:
    """One verdict and the scores that have it, as a sentence (Markdown)."""

    verdict: str
    sentence: str


def findings(
    table: pd.DataFrame, granularity: Granularity, escape: Callable[[str], str] = str
) -> list[Finding]:
    """Return which scores are better than random, and which are not.

    Args:
        table: From `fidelity.table`, of one measure.
        escape: Applied to the names of scores.
    """
    units = units_text(table, granularity)
    groups = table[table["score"] != RANDOM.symbol].groupby("verdict", sort=False)
    found = [
        Finding(str(verdict), _sentence(str(verdict), _listed(group, escape), units))
        for verdict, group in groups
    ]
    return sorted(found, key=lambda finding: finding.verdict != fidelity.BETTER)


def units_text(table: pd.DataFrame, granularity: Granularity) -> str:
    """Return how many units of which kind were compared."""
    return f"{int(table['units'].iloc[0]):,} {UNITS[granularity].lower()}"


def number(value: float) -> str:
    """Return a correlation with its sign and two decimals."""
    return f"{value:+.2f}".replace("-", "−")


def effect_axis(title: str, measure: str, compared: Compared) -> str:
    """Return the title of an axis with the effects of removals.

    Args:
        title: The measure in words.
    """
    if compared == "size":
        return f"Size of the change of the {title.lower()}"
    return f"{'Fall' if measure == 'metric' else 'Rise'} of the {title.lower()} without the unit"


def _sentence(verdict: str, scores: str, units: str) -> str:
    match verdict:
        case fidelity.BETTER:
            return f"Better than random on {units}: {scores}."
        case fidelity.WORSE:
            return f"{scores}: worse than random on {units}, the order is reversed."
        case fidelity.UNKNOWN:
            return f"{scores} cannot be judged: all of {units} are equal."
        case _:
            return f"Not distinguishable from random on {units}: {scores}."


def _listed(group: pd.DataFrame, escape: Callable[[str], str]) -> str:
    pairs = zip(group["score"], group["spearman"], strict=True)
    return ", ".join(
        f"**{escape(str(name))}**" + (f" ({number(value)})" if np.isfinite(value) else "")
        for name, value in pairs
    )
