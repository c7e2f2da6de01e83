"""Trade-offs: λ × sparsity × seed × method, with controls."""

import streamlit as st

from pages.parts.shell import class_mode, frame, sample_store
from pages.parts.sweep import (
    label_view,
    sweep_charts,
    sweep_form,
    sweep_frames,
    sweep_progress,
    sweep_view,
)
from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies import command
from sparsekd.studies.sweeps.sweep_metric import default_sweep_metric

MORE, OTHER = "More seeds or cells", "Another study"


def draw_page() -> None:
    """Draw the chosen trade-off study, or the form of the first one."""
    plan = frame.current_study()
    if plan is not None and plan.kind == "sweep":
        with frame.error_boundary():
            draw_sweep(plan)
        return
    latest = next((one for one in store.plans() if one.kind == "sweep"), None)
    if latest is None:
        st.info(
            "No trade-off study yet. Declare one below: one student for each λ, sparsity and seed, "
            "and controls to compare with.",
            icon=":material/info:",
        )
        draw_form(None)
        return
    if plan is not None and not sample_store.shown():
        st.caption("The study in the sidebar is no trade-off study; this is the latest one.")
    with frame.error_boundary():
        draw_sweep(latest)


def draw_form(start: Plan | None) -> None:
    """Draw the form as a fragment, so that filling it in does not rerun the page."""
    if not class_mode.is_lecturer():
        return
    st.fragment(frame.guarded(lambda: sweep_form.draw_sweep_form(start)), key="tradeoffs.form")()


def draw_sweep(plan: Plan) -> None:
    """Draw conclusion, progress, choices and verdicts, charts, and the command."""
    st.text(plan.title)
    snapshot, labels = sweep_frames.take_snapshot(plan), None
    metric = default_sweep_metric(plan, snapshot.frame("students"))
    if metric is not None:
        conclusion = st.container()
        metric = sweep_view.choose_metric(metric)
        labels = label_view.label_study(plan, metric)
        with conclusion:
            if labels is None:
                sweep_view.draw_conclusion(snapshot, metric)
            else:
                label_view.draw_verdicts(plan.task, labels)
    sweep_progress.draw_sweep_progress(plan, "tradeoffs", snapshot.finished)
    draw_next_form(plan)
    if metric is None:
        st.caption("No student is finished yet.")
        return
    if labels is not None:
        label_view.draw_labels(plan, metric, labels)
    sweep_view.draw_evidence(snapshot, metric, verdicts=labels is None)
    sweep_charts.draw_charts(snapshot, metric)
    st.subheader("Report and command", anchor=False)
    sweep_charts.draw_report(metric)
    st.code(command.command(plan), language="bash", wrap_lines=True)


def draw_next_form(plan: Plan) -> None:
    """Draw the form on demand: with this study's values, to extend it, or with the defaults."""
    if not class_mode.is_lecturer():
        return
    # A search has chosen its cells itself: they are not a grid to extend.
    choices = [OTHER] if plan.command else [MORE, OTHER]
    wanted = st.segmented_control(
        "Form",
        choices,
        key=f"tradeoffs.form.{plan.id}",
        label_visibility="collapsed",
        help="Finished runs are used again: only what is missing is run.",
    )
    if wanted:
        with st.container(border=True):
            draw_form(plan if wanted == MORE else None)


frame.draw_header("Trade-offs", "Which λ and sparsity make the best student, and at what cost?")
draw_page()
