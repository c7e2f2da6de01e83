"""What a planned study can decide and what not, beside its launch."""

import streamlit as st

from pages.parts.shell import frame
from sparsekd.runs.records import Recipe
from sparsekd.studies import power


def draw_power(
    task: str,
    teacher: Recipe | str,
    labelled: int,
    seeds: int,
    comparisons: int,
    key: str,
    teachers: int = 1,
) -> None:
    """Draw the choice of the smallest difference of interest, and what the study can decide."""
    points = st.number_input(
        "Smallest difference of interest, in points",
        min_value=0.1,
        max_value=50.0,
        value=100 * power.SMALLEST,
        step=0.5,
        key=f"{key}.smallest",
        width=340,
        help="Plan the number of seeds for it before the launch: adding seeds until a difference "
        "is significant finds one in a fifth of the studies without any.",
    )
    smallest = points / 100
    found = power.before_launch(task, teacher, labelled, seeds, comparisons, smallest, teachers)
    st.caption(frame.plain(found.words))
