"""Fields for the axes of a trade-off study: values as chips, label budgets and label noise."""

from collections.abc import Iterable

import streamlit as st

from sparsekd.errors import BadInput
from sparsekd.runs import references
from sparsekd.studies.sweeps import label_axes
from sparsekd.studies.sweeps.sweep_defaults import grid_values
from sparsekd.studies.sweeps.sweep_spec import SweepSpec


def draw_values(
    title: str, start: Iterable[float], usual: Iterable[float], key: str, words: str
) -> tuple[float, ...]:
    """Draw values as chips, with room for others, and return the numbers."""
    begin = [f"{value:g}" for value in start]
    options = sorted({*begin, *(f"{value:g}" for value in usual)}, key=float)
    chosen = st.multiselect(
        title,
        options,
        begin,
        key=key,
        help=words,
        accept_new_options=True,
        wrap=True,
        placeholder="Choose or type values",
    )
    return grid_values(title, chosen)


def draw_label_axes(spec: SweepSpec, key: str, finished: bool) -> list[SweepSpec]:
    """Draw label budgets and label noise; return a study for each.

    A teacher that is `finished` keeps the labels that it has learned from.
    """
    card = references.cards().get(spec.task)
    left, right = st.columns(2)
    with left:
        budgets = draw_values(
            "Label budgets of the students (0 = all)",
            [spec.train.labelled],
            (0, 50, 100, 200, 400),
            f"{key}.labelled",
            "Gold labels that are kept, a fifth of them for selection; the other texts are "
            "unlabelled. One study for each number; their results are drawn together.",
        )
    noises: tuple[float, ...] = (spec.train.label_noise,)
    if card is None or not card.regression:
        with right:
            noises = draw_values(
                "Label noise",
                [spec.train.label_noise],
                (0.0, 0.1, 0.2, 0.3),
                f"{key}.noise",
                "Shares of the gold labels that are replaced by another class. A teacher from a "
                "checkpoint learns from noisy labels too; a fine-tuned one stays as it is.",
            )
    if not budgets or not noises:
        raise BadInput("No label budget or no label noise is chosen.", "Choose 0 for all, or none.")
    if any(not budget.is_integer() or budget < 0 for budget in budgets):
        raise BadInput("A label budget is a whole number.", "Write 200, for example; 0 keeps all.")
    axes = [int(budget) for budget in budgets], noises
    return label_axes.with_labels(spec, *axes, finished=finished or noises == (0.0,))
