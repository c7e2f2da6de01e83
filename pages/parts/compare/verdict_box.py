"""A verdict in a box whose colour and icon say which it is."""

import streamlit as st

from pages.parts.shell import frame
from sparsekd.runs import overlaps, references
from sparsekd.studies.verdict import BETTER, WORSE
from sparsekd.tasks import metrics


def draw_verdict(verdict: str, text: str) -> None:
    """Draw a verdict: better, worse, inconclusive, or none yet ("")."""
    if verdict == BETTER:
        st.success(text, icon=":material/thumb_up:")
    elif verdict == WORSE:
        st.warning(text, icon=":material/thumb_down:")
    else:
        st.info(text, icon=":material/balance:" if verdict else ":material/hourglass_top:")


def draw_overlap(task: str) -> None:
    """Draw a warning where the splits behind a verdict overlap much with training."""
    card = references.cards().get(task)
    words = overlaps.warning(card) if card else ""
    if words:
        st.warning(frame.plain(words), icon=":material/content_copy:")


def draw_exploratory(task: str, metric: str) -> None:
    """Say where a verdict is on another metric than the planned one, the task's first."""
    card = references.cards().get(task)
    if card and metric != card.metrics[0]:
        planned = metrics.title(card.metrics[0]).lower()
        st.caption(
            f"Exploratory: the planned metric is {planned}. A verdict on another one is a further "
            "look at the same data."
        )
