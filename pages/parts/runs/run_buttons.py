"""Buttons that act on runs: outside fragments, because they must answer at once."""

import streamlit as st

from pages.parts.shell import class_mode, frame, url_state
from sparsekd.runs import jobs, store
from sparsekd.runs.records import RESUMABLE, UNFINISHED, Plan, Run, State


def draw_run_buttons(run: Run, key: str) -> None:
    """Draw the button that cancels or resumes one run, whichever its state allows."""
    if not class_mode.is_lecturer():
        return
    if run.state in UNFINISHED:
        if st.button("Cancel", icon=":material/stop_circle:", key=f"{key}.cancel"):
            with frame.error_boundary():
                jobs.cancel(run.id)
                st.rerun()
    elif run.state in RESUMABLE and st.button(
        "Resume",
        icon=":material/play_circle:",
        key=f"{key}.resume",
        help="Continues from the last checkpoint, after the runs that it needs.",
    ):
        with frame.error_boundary():
            jobs.resume(run.id, frame.chosen_device())
            st.rerun()


def draw_plan_buttons(plan: Plan, key: str) -> None:
    """Draw the buttons that cancel a study's unfinished runs and resume its stopped ones.

    A trade-off study keeps finished runs, and resumes with what is missing.
    """
    if not class_mode.is_lecturer():
        return
    runs = store.plan_runs(plan).values()
    states = {run.state for run in runs}
    missing = len(runs) < len({step.recipe.run_id for step in plan.steps})
    sweep = plan.kind == "sweep"
    with st.container(horizontal=True):
        if (states & UNFINISHED) and st.button(
            "Stop all" if sweep else "Cancel the study",
            icon=":material/stop_circle:",
            key=f"{key}.cancel",
            help="Finished runs are kept." if sweep else None,
        ):
            jobs.cancel_plan(plan)
            st.rerun()
        if ((states & RESUMABLE) or missing) and st.button(
            "Resume" if sweep else "Resume the study",
            icon=":material/play_circle:",
            key=f"{key}.resume",
            help="Only missing runs are run." if sweep else None,
        ):
            frame.submit_plan(plan)
            st.rerun()


def draw_delete_button(run: Run, key: str) -> None:
    """Draw the button that deletes a run after a confirmation."""
    if not class_mode.is_lecturer():
        return
    running = run.state is State.RUNNING
    with st.popover(
        "Delete …",
        icon=":material/delete:",
        disabled=running,
        help="Cancel it first." if running else None,
    ):
        st.markdown("Its model, metrics and log are removed from disk. This cannot be undone.")
        if st.button("Delete it", type="primary", icon=":material/delete:", key=f"{key}.delete"):
            with frame.error_boundary():
                store.delete(run.id)
                url_state.jump(run="")
