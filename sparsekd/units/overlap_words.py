"""Sentences about how far masks agree."""

import pandas as pd

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.units import overlap


def mask_title(params: MaskParams, scores: str) -> str:
    """Return a mask ranked by the scores of a run in a few words."""
    return f"λ = {params.lam:g}, sparsity {params.sparsity:.0%}, scores of run {scores}"


def two_masks(table: pd.DataFrame, units: str) -> str:
    """Return what masks A and B keep, together and alone, as a sentence (Markdown).

    Args:
        table: From `overlap.compare`.
        units: "heads" or "neurons".
    """
    row = overlap.total(table, units)
    return (
        f"**{units.capitalize()}**: {int(row['both']):,} are kept by both, "
        f"{int(row['only_first']):,} only by A, {int(row['only_second']):,} only by B, "
        f"{int(row['neither']):,} by neither. Jaccard index of the kept **{row['jaccard']:.2f}** "
        f"(expected by chance: {row['jaccard_by_chance']:.2f}), of the removed "
        f"**{row['jaccard_removed']:.2f}**."
    )


def counts(table: pd.DataFrame, units: str) -> str:
    """Return the four counts of `overlap.compare` in a line without markup."""
    row = overlap.total(table, units)
    names = {
        "both": "kept by both",
        "only_first": "only by A",
        "only_second": "only by B",
        "neither": "by neither",
    }
    return ", ".join(f"{int(row[name])} {words}" for name, words in names.items())


def several_masks(row: "pd.Series[float]", masks: int) -> str:
    """Return how far several masks agree on heads, or on neurons, as a sentence (Markdown).

    Args:
        row: Of `overlap.agreement`.
    """
    return (
        f"**{str(row['units']).capitalize()}**: of {masks} masks, all keep {int(row['always']):,}, "
        f"none keeps {int(row['never']):,}, some keep {int(row['disputed']):,}. Mean Jaccard index "
        f"of two masks **{row['jaccard']:.2f}** (lowest {row['lowest']:.2f}), of what they remove "
        f"{row['jaccard_removed']:.2f}."
    )


def numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `overlap.compare` with layers from 1 and "all"."""
    layers = [str(layer + 1) if layer >= 0 else "all" for layer in table["layer"]]
    return table.assign(layer=layers)
