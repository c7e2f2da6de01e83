"""How well scores predict ablation, as tables to read."""

import numpy as np
import pandas as pd

from sparsekd.units import ablation_tables, fidelity
from sparsekd.units.ablation import Ablation
from sparsekd.units.fidelity_words import number
from sparsekd.units.harm import Granularity
from sparsekd.units.rank_statistics import Row


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `fidelity.table`, of one measure, with intervals beside statistics."""
    titles = {
        "spearman": "Spearman's ρ",
        "kendall": "Kendall's τ",
        "top_overlap": f"Top {int(table['top'].iloc[0])} in common",
    }
    shown = pd.DataFrame({"Score": table["score"]})
    for name, title in titles.items():
        cells = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
        shown[title] = [_with_interval(*cell, name == "top_overlap") for cell in cells]
    shown["By chance"] = [f"{share:.0%}" for share in table["by_chance"]]
    shown["Verdict"] = table["verdict"].to_numpy()
    return shown


def ranks(score: Row, effect: Row, truth: Ablation, granularity: Granularity) -> pd.DataFrame:
    """Return one row per removal: its place, score and effect, and their ranks, 1 the highest.

    Shapes: score, effect (U,).
    """
    places = ablation_tables.places(truth, granularity)
    return pd.DataFrame(
        {
            "layer": places[:, 0],
            granularity: places[:, 1],
            "score": score,
            "effect": effect,
            "rank by score": fidelity.ranks_of(score),
            "rank by effect": fidelity.ranks_of(effect),
        }
    )


def _with_interval(value: float, low: float, high: float, share: bool) -> str:
    if not np.isfinite(value):
        return "–"
    if share:
        return f"{value:.0%} ({low:.0%} to {high:.0%})"
    return f"{number(value)} ({number(low)} to {number(high)})"
