"""The sidebar: the steps of the study and what comes next; running runs; the device."""

import streamlit as st

from pages.parts.shell import class_mode, device_check, frame, live, sample_store, url_state
from sparsekd.runs import activity, device_checks, jobs, store
from sparsekd.runs.records import UNFINISHED, Plan, State
from sparsekd.studies import by_hand, steps
from sparsekd.studies.steps import StepProgress, StudyStep

NOT_YET = ":material/radio_button_unchecked:"
NEXT = ":material/arrow_circle_right:"
MANY = 30  # unfinished runs, above which the sidebar updates less often
PAGES = {
    "teacher": "pages/teacher/finetune.py",
    "trial_student": "pages/student/distil.py",
    "scores": "pages/teacher/scores.py",
    "sparse_teacher": "pages/teacher/mask.py",
    "student": "pages/student/distil.py",
    "controls": "pages/student/compare.py",
    "cells": "pages/student/tradeoffs.py",
    "sweep_controls": "pages/student/tradeoffs.py",
    "intermediate": "pages/runs/overview.py",
    "compared": "pages/student/compare.py",
}


def draw_sidebar() -> None:
    """Draw the study with its steps, the running runs and the device: on every page."""
    sample_store.draw_switch()
    _choose_study()
    plan = frame.current_study()
    with store.reading(None):
        runs = activity.unfinished()
    many = len(runs) > MANY
    patient = many or sample_store.shown() is not None  # nothing of the sample ends

    def draw() -> None:
        draw_steps(plan)
        st.space("small")
        _draw_activity()

    live.poll(draw, runs, "sidebar", seconds=5.0 if many else 2.0, patient=patient, own=True)
    st.divider()
    if not class_mode.is_lecturer():
        st.caption("A class: look, guess and answer. The lecturer launches.")
        return
    _choose_device()
    device_check.draw_device_check()


def draw_steps(plan: Plan | None, with_links: bool = True) -> None:
    """Draw the steps with their states; the first that is not done comes next."""
    found = steps.step_progress(plan)
    after = next((i for i, one in enumerate(found) if one.state is not State.DONE), None)
    for place, (step, progress) in enumerate(zip(steps.steps_of(plan), found, strict=True)):
        icon, words = _state_label(progress, comes_next=place == after)
        label = f"{step.title} · {words}" if words else step.title
        if with_links:
            draw_step_link(step, plan, label, icon)
        else:
            st.markdown(f"{icon} {label}", help=step.help)


def draw_step_link(step: StudyStep, plan: Plan | None, label: str, icon: str) -> None:
    """Draw a link to the page on which a step is done."""
    query = url_state.link(study=plan.id) if plan else None
    st.page_link(PAGES[step.name], label=label, icon=icon, help=step.help, query_params=query)


def _state_label(progress: StepProgress, comes_next: bool) -> tuple[str, str]:
    """Return a step's icon, and its state in words."""
    count = f"{progress.done} of {progress.total}" if progress.total > 1 else ""
    if progress.state is None or (progress.state is State.QUEUED and not comes_next):
        return (NEXT, "next") if comes_next else (NOT_YET, count if progress.done else "")
    icon = frame.STATE_ICONS[progress.state]
    if progress.state is State.DONE:
        return icon, ""
    return icon, f"{progress.state.value} {count}".strip()


def _choose_study() -> None:
    plans = {plan.id: plan for plan in by_hand.all_plans()}
    if not plans:
        st.markdown("**The steps of a study**")
        return
    current = frame.current_study()
    key = url_state.bound_among("study", "study", plans, current.id if current else "")
    titles = {name: f"{_study_label(plan)} · {name[:4]}" for name, plan in plans.items()}
    chosen = st.selectbox(
        "Study",
        list(plans),
        format_func=lambda name: titles[name],
        key=key,
        help="One teacher, its students and their controls. All pages show this study.",
    )
    latest = next(iter(plans))
    url_state.write(study="" if chosen == latest else chosen)


def _study_label(plan: Plan) -> str:
    """Return a plan's title, marked where it is a trade-off study."""
    return f"Trade-offs: {plan.title}" if plan.kind == "sweep" else plan.title


def _draw_activity() -> None:
    with store.reading(None):
        states = [run.state for run in store.runs(states=UNFINISHED)]
    running, queued = states.count(State.RUNNING), states.count(State.QUEUED)
    words = f"{running} running, {queued} queued" if states else "Nothing is running"
    query = url_state.link(sample=False)
    st.page_link(
        "pages/runs/overview.py", label=words, icon=":material/list_alt:", query_params=query
    )
    trouble = jobs.queue_error() if states else None
    if trouble:
        st.warning(frame.plain(f"Nothing can start. {trouble}"), icon=":material/block:")


def _choose_device() -> None:
    found = {device.name: device.words for device in jobs.devices(detect=False)}
    words = {"auto": "The fastest free one"} | found
    st.selectbox(
        "Device",
        list(words),
        format_func=lambda name: name if name == "auto" else f"{name}: {words[name]}",
        key="device",
        help="Where new runs compute: one at a time on a GPU, one per CPU core.",
    )
    facts = [f"{name}: {what}; {device_checks.in_words(name)}" for name, what in found.items()]
    st.caption(frame.plain(". ".join(facts) + "."))
    if st.button("Detect devices", icon=":material/refresh:", type="tertiary"):
        with st.spinner("Detecting devices …"):
            jobs.detect_devices()
        st.rerun()
