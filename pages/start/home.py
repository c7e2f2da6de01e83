"""Home: what this is, the demo study, and where to go on."""

import streamlit as st

from pages.parts.compare import comparison_view, study_view, verdict_box
from pages.parts.runs import run_buttons
from pages.parts.shell import class_mode, frame, live, sample_store, sidebar, url_state
from sparsekd.catalog import families
from sparsekd.runs import activity, sample, store
from sparsekd.runs.records import Plan, State
from sparsekd.studies import results, stark, steps
from sparsekd.studies import sample as sample_study
from sparsekd.studies.study_metric import StudyMetric, default_metric
from sparsekd.studies.sweeps.sweep_metric import default_sweep_metric
from sparsekd.system.wording import counted

INTRODUCTION = (
    "A large model can be too good a teacher: part of what its attention heads and neurons "
    "compute does not help a small student. SparseKD scores every head and neuron by its worth "
    "to the task **and** to the student, removes the lowest, distils again, and tests whether "
    "that helped."
)
DOORS = (
    (
        "Bring a teacher",
        f"Fine-tune any {families.titles()} on your task.",
        "pages/teacher/finetune.py",
        ":material/school:",
    ),
    (
        "Prune it",
        "Drag λ and the sparsity, and see which heads and neurons are removed.",
        "pages/teacher/mask.py",
        ":material/content_cut:",
    ),
    (
        "Train a student",
        "Distil from the dense teacher or from the sparse one.",
        "pages/student/distil.py",
        ":material/science:",
    ),
)


def draw_demo() -> None:
    """Draw the demo study's button; it queues the study, or shows it where it is done."""
    demo = stark.plan(stark.demo())
    with store.reading(None):
        runs = store.plan_runs(demo)
        finished = [run for run in runs.values() if run.state is State.DONE]
        done = len(finished) == len(demo.steps)  # a trade-off study may have made some of them
        active = any(activity.is_active(run) for run in runs.values())
    with st.container(border=True):
        st.markdown(
            f"**The demo study**: {counted(len(demo.steps), 'run')} on synthetic film reviews, "
            "about two minutes on two CPU cores. No download, no account."
        )
        label = "Show the demo study" if done else "Run the demo study"
        if st.button(
            "The demo study is running" if active else label,
            type="primary",
            icon=":material/play_arrow:",
            disabled=active,
            key="demo",
        ):
            frame.submit_plan(demo)
            url_state.jump(study="")
        st.caption(f"Device: {frame.device_label()}")
        if done and sample.is_there():
            draw_closeness(demo)


def draw_closeness(demo: Plan) -> None:
    """Say how close one's own runs of the demo study came to the sample's."""
    with store.reading(None):
        found = sample_study.largest_difference(demo, sample.unpack())
    if found is not None:
        count, largest = found
        st.caption(
            f"{count} models as in the sample study; the largest difference in their metric on "
            f"validation is {largest:.3f}."
        )


def draw_study(plan: Plan) -> None:
    """Draw the chosen study: its progress while it runs, then its result."""
    if plan.kind == "sweep":
        draw_sweep(plan)
        return
    runs = store.plan_runs(plan)
    st.subheader(f"The {plan.kind}", anchor=False, help="Chosen in the sidebar.")
    st.text(plan.title)
    if any(run.state is not State.DONE for run in runs.values()):
        live.poll(lambda: draw_progress(plan), runs.values(), "home.progress")
        run_buttons.draw_plan_buttons(plan, "home")
    found = default_metric(plan)
    if found is None:
        return
    verdict_box.draw_overlap(plan.task)
    if plan.kind == "comparison":
        comparison_view.draw_comparison(plan, found, "home", brief=True)
    else:
        draw_result(found)
    st.page_link(
        "pages/student/compare.py",
        label="Compare example by example",
        icon=":material/balance:",
        query_params=url_state.link(study=plan.id),
    )


def draw_sweep(plan: Plan) -> None:
    """Draw a trade-off study's conclusion and progress; the rest is on its own page."""
    from pages.parts.sweep import sweep_frames, sweep_progress, sweep_view

    st.subheader("The trade-off study", anchor=False, help="Chosen in the sidebar.")
    st.text(plan.title)
    snapshot = sweep_frames.take_snapshot(plan)
    metric = default_sweep_metric(plan, snapshot.frame("students"))
    if metric is not None:
        sweep_view.draw_conclusion(snapshot, metric)
    sweep_progress.draw_sweep_progress(plan, "home")
    st.page_link(
        "pages/student/tradeoffs.py",
        label="Open the trade-offs",
        icon=":material/finance_mode:",
        query_params=url_state.link(study=plan.id),
    )


def draw_result(found: StudyMetric) -> None:
    """Draw a study's verdict, its models, and every seed."""
    study_view.draw_study_verdict(found)
    left, right = st.columns([6, 5], gap="large")
    with left:
        study_view.draw_models(found, "home.models", brief=True)
    with right:
        study_view.draw_seeds(found, "home.dots")


def draw_progress(plan: Plan) -> None:
    """Draw the steps with their states, the bar of the whole study, and the running run."""
    runs = store.plan_runs(plan)
    left, right = st.columns([1, 2], gap="large")
    with left:
        sidebar.draw_steps(plan, with_links=False)
    with right:
        whole = results.plan_progress(plan, runs)
        share = steps.share_done(plan, runs)
        st.progress(share, text=f"{whole.done} of {whole.total} runs done")
        active = next((run for run in runs.values() if run.state is State.RUNNING), None)
        if active:
            live.draw_progress(active.progress, whole.phase)
        for run in runs.values():
            if run.state is State.FAILED:
                st.error(frame.plain(f"{run.outcome.message} {run.outcome.hint}"))
        if not active and activity.any_active(runs.values()):
            st.caption("The next run is about to start.")


def draw_continue(plan: Plan | None) -> None:
    """Draw links to the study's next step and to the latest run."""
    runs = store.runs()
    if not runs:
        return
    st.subheader("Continue where you left off", anchor=False)
    step = steps.next_step(plan)
    if step:
        sidebar.draw_step_link(step, plan, f"Next step: {step.title}", sidebar.NEXT)
    latest = runs[0]
    title = frame.run_titles()(latest.recipe)
    st.page_link(
        "pages/runs/overview.py",
        label=frame.plain(f"Latest run: {title} ({latest.state.value})"),
        icon=frame.STATE_ICONS[latest.state],
        query_params=url_state.link(run=latest.id),
    )


def draw_doors() -> None:
    """Draw three ways in."""
    st.subheader("Or start with your own", anchor=False)
    for place, (title, words, page, icon) in zip(st.columns(3), DOORS, strict=True):
        with place.container(border=True, height="stretch"):
            st.page_link(page, label=f"**{title}**", icon=icon)
            st.caption(words)


frame.draw_header("SparseKD", "What of a teacher's knowledge should be passed on to a student?")
st.markdown(INTRODUCTION)
draw_demo()
study = frame.current_study()
if study:
    draw_study(study)
if not sample_store.shown():
    draw_continue(study)
draw_doors()
class_mode.draw_class()
