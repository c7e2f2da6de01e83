"""Home: what this is, the demo study alive, and where to go on."""

import streamlit as st

from pages.parts.compare import comparison_view, study_view
from pages.parts.runs import run_buttons
from pages.parts.shell import frame, live, sidebar, url_state
from sparsekd.runs import jobs, store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.studies import recipes, results

WHAT = (
    "A large model can be too good a teacher: some of what its attention heads and neurons know "
    "may not help a small student. SparseKD scores every head and neuron by what it is worth to "
    "the task **and** to the student, removes what does not teach, distils again, and says "
    "whether that helped."
)
DOORS = (
    (
        "Bring a teacher",
        "Fine-tune any BERT, RoBERTa, DistilBERT or ELECTRA on your task.",
        "pages/teacher/finetune.py",
        ":material/school:",
    ),
    (
        "See what goes",
        "Drag λ and the sparsity, and watch heads and neurons leave.",
        "pages/teacher/mask.py",
        ":material/content_cut:",
    ),
    (
        "Teach a student",
        "Distil from the whole teacher or from the sparse one.",
        "pages/student/distil.py",
        ":material/science:",
    ),
)


def demo_section() -> None:
    """The demo study's button, and how far the demo is."""
    demo = recipes.stark(recipes.demo_study())
    runs = frame.plan_runs(demo)
    there = [run for run in runs.values() if run.state is State.DONE]
    done = len(there) == len(demo.steps)  # a trade-off study may have made some of them
    at_work = any(live.moves(run) for run in runs.values())
    with st.container(border=True):
        st.markdown(
            f"**The demo study**: {frame.counted(len(demo.steps), 'run')} on made-up film "
            "reviews, about two minutes on two processor cores. No download, no account."
        )
        label = "Show the demo study" if done else "Run the demo study"
        if st.button(
            "The demo study is running" if at_work else label,
            type="primary",
            icon=":material/play_arrow:",
            disabled=at_work,
            key="demo",
        ):
            jobs.submit_plan(demo, frame.device())
            url_state.jump(study="")
        st.caption(f"Computes on {frame.device_words()}")


def study_section(plan: Plan) -> None:
    """One study: live while it runs, then its result."""
    if plan.kind == "sweep":
        trade_offs(plan)
        return
    runs = frame.plan_runs(plan)
    st.subheader(f"The {plan.kind}", anchor=False, help="Chosen in the sidebar.")
    st.text(plan.title)
    if any(run.state is not State.DONE for run in runs.values()):
        live.poll(lambda: progress(plan), runs.values(), "home.progress")
        run_buttons.of_plan(plan, "home")
    asked = study_view.reported(plan)
    if asked is None:
        return
    if plan.kind == "comparison":
        comparison_view.show(plan, asked, "home", brief=True)
    else:
        study_result(asked)
    st.page_link(
        "pages/student/compare.py",
        label="Compare example by example",
        icon=":material/balance:",
        query_params=url_state.link(study=plan.id),
    )


def trade_offs(plan: Plan) -> None:
    """A trade-off study: its answer and how far it is; everything else is on its own page."""
    from pages.parts.sweep import sweep_frames, sweep_progress, sweep_view

    st.subheader("The trade-off study", anchor=False, help="Chosen in the sidebar.")
    st.text(plan.title)
    found = sweep_frames.look(plan)
    asked = sweep_view.usual(found)
    if asked is not None:
        sweep_view.answer(asked)
    sweep_progress.show(plan, "home")
    st.page_link(
        "pages/student/tradeoffs.py",
        label="See where the best bargain is",
        icon=":material/finance_mode:",
        query_params=url_state.link(study=plan.id),
    )


def study_result(asked: study_view.Question) -> None:
    """The verdict, the models, every seed."""
    study_view.verdict(asked)
    left, right = st.columns([6, 5], gap="large")
    with left:
        study_view.models(asked, "home.models", brief=True)
    with right:
        study_view.dots(asked, "home.dots")


def progress(plan: Plan) -> None:
    """The steps with their states, the whole bar, and the step at work."""
    runs = frame.plan_runs(plan)
    steps, bars = st.columns([1, 2], gap="large")
    with steps:
        sidebar.steps(plan, with_links=False)
    with bars:
        whole = results.plan_progress(plan, runs)
        st.progress(_share(plan, runs), text=f"{whole.done} of {whole.total} runs done")
        active = next((run for run in runs.values() if run.state is State.RUNNING), None)
        if active:
            live.bar(active.progress, whole.phase)
        for run in runs.values():
            if run.state is State.FAILED:
                st.error(frame.plain(f"{run.outcome.message} {run.outcome.hint}"))
        if not active and any(live.moves(run) for run in runs.values()):
            st.caption("The next run is about to begin.")


def _share(plan: Plan, runs: dict[str, Run]) -> float:
    """How much of a study is done, the step at work counted in part."""
    parts = [
        1.0 if run.state is State.DONE else run.progress.share
        for run in runs.values()
        if run.state in (State.DONE, State.RUNNING)
    ]
    return min(1.0, sum(parts) / len(plan.steps))


def onward(plan: Plan | None) -> None:
    """Where the visitor left off: the study's next step and the latest run."""
    runs = store.runs()
    if not runs:
        return
    st.subheader("Continue where you left off", anchor=False)
    stop = sidebar.next_stop(plan)
    if stop:
        query = url_state.link(study=plan.id) if plan else None
        st.page_link(
            stop.page,
            label=f"Next step: {stop.title}",
            icon=sidebar.NEXT,
            help=stop.help,
            query_params=query,
        )
    latest = runs[0]
    st.page_link(
        "pages/runs/overview.py",
        label=frame.plain(f"Latest run: {frame.titles()(latest.recipe)} ({latest.state.value})"),
        icon=frame.STATE_ICONS[latest.state],
        query_params=url_state.link(run=latest.id),
    )


def doors() -> None:
    """Three ways in."""
    st.subheader("Or begin with your own", anchor=False)
    for place, (title, words, page, icon) in zip(st.columns(3), DOORS, strict=True):
        with place.container(border=True, height="stretch"):
            st.page_link(page, label=f"**{title}**", icon=icon)
            st.caption(words)


frame.question("SparseKD", "What of a teacher's knowledge should be passed on to a student?")
st.markdown(WHAT)
demo_section()
study = frame.current_study()
if study:
    study_section(study)
onward(study)
doors()
