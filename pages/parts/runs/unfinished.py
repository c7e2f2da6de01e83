"""Runs that are not done yet: their progress or their error, and their buttons."""

import streamlit as st

from pages.parts.runs import run_buttons
from pages.parts.shell import live
from sparsekd.runs import store, tables
from sparsekd.runs.records import Run, State


def draw_unfinished(run: Run) -> None:
    """Draw one run that is not done: its progress or its error, and its buttons."""
    with st.container(border=True):
        st.markdown(f"**{tables.STAGES[run.recipe.stage]}**, run {run.id}")
        live.poll(lambda: live.draw_run_state(store.get(run.id)), [run], f"unfinished.{run.id}")
        run_buttons.draw_run_buttons(run, f"unfinished.{run.id}")


def draw_unfinished_of_scores(scores: Run, stage: str) -> None:
    """Draw the runs of a stage that start from these scores and are not done."""
    for run in store.runs(stage, task=scores.recipe.task):
        if run.recipe.inputs.get("scores") == scores.id and run.state is not State.DONE:
            draw_unfinished(run)
