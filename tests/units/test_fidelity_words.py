"""Verdicts on scores as sentences, statistics as a table to read."""

import numpy as np
import pandas as pd
import pytest

from sparsekd.units import fidelity, fidelity_tables, fidelity_words


def table(**rows: tuple[float, str]) -> pd.DataFrame:
    """One row per score: Spearman's ρ and the verdict."""
    return pd.DataFrame(
        [
            {
                "score": name, "units": 16, "top": 4, "by_chance": 0.25, "verdict": verdict,
                "spearman": rho, "spearman_low": rho - 0.1, "spearman_high": rho + 0.1,
                "kendall": rho, "kendall_low": rho, "kendall_high": rho,
                "top_overlap": 0.5, "top_overlap_low": 0.25, "top_overlap_high": 1.0,
            }
            for name, (rho, verdict) in rows.items()
        ]
    )  # fmt: skip


def test_the_better_scores_come_first_and_random_is_not_judged():
    found = fidelity_words.findings(
        table(
            F=(0.05, fidelity.NO_BETTER),
            E=(0.8, fidelity.BETTER),
            K=(0.6, fidelity.BETTER),
            random=(0.0, fidelity.NO_BETTER),
        ),
        "head",
    )

    assert [finding.verdict for finding in found] == [fidelity.BETTER, fidelity.NO_BETTER]
    assert found[0].sentence == "Better than random on 16 heads: **E** (+0.80), **K** (+0.60)."
    assert found[1].sentence == "Not distinguishable from random on 16 heads: **F** (+0.05)."


def test_a_reversed_and_a_constant_score_are_named():
    found = fidelity_words.findings(
        table(E=(-0.9, fidelity.WORSE), F=(np.nan, fidelity.UNKNOWN)),
        "group",
        lambda name: f"\\{name}",
    )

    assert found[0].sentence == (
        "**\\E** (−0.90): worse than random on 16 groups of neurons, the order is reversed."
    )
    assert found[1].sentence == "**\\F** cannot be judged: all of 16 groups of neurons are equal."


@pytest.mark.parametrize(
    ("measure", "compared", "title"),
    [("task_loss", "harm", "Rise of the loss without the unit"),
     ("metric", "harm", "Fall of the loss without the unit"),
     ("metric", "size", "Size of the change of the loss")],
)  # fmt: skip
def test_the_axis_says_in_which_direction_harm_is(measure, compared, title):
    assert fidelity_words.effect_axis("Loss", measure, compared) == title


def test_statistics_are_shown_with_their_intervals():
    shown = fidelity_tables.readable(
        table(E=(0.8, fidelity.BETTER), F=(np.nan, fidelity.UNKNOWN))
    ).set_index("Score")

    assert shown.loc["E", "Spearman's ρ"] == "+0.80 (+0.70 to +0.90)"
    assert shown.loc["E", "Top 4 in common"] == "50% (25% to 100%)"
    assert shown.loc["F", "Spearman's ρ"] == "–"
    assert shown.loc["E", "By chance"] == "25%"
