"""The scoring run that a page shows."""

import streamlit as st

from pages.parts.shell import frame, url_state
from sparsekd.runs import score_runs
from sparsekd.runs.records import Run


def choose_scores() -> Run | None:
    """Choose the scoring run of the address bar, or the first of the study; None without any."""
    runs = {run.id: run for run in score_runs.finished()}
    if not runs:
        return None
    latest = score_runs.latest(runs, frame.current_study())
    key = url_state.bound_among("scores", "scores", runs, latest)
    chosen = st.selectbox(
        "Scores",
        list(runs),
        format_func=lambda name: score_runs.label(runs[name]),
        key=key,
    )
    url_state.write(scores="" if chosen == latest else chosen)
    return runs[chosen]
