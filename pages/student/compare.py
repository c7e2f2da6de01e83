"""Compare: the models of a study or comparison side by side, and the evidence."""

import streamlit as st

from pages.parts.compare import comparison_view, study_view
from pages.parts.shell import frame, live, sidebar, url_state
from sparsekd.runs import activity, references, store
from sparsekd.runs.records import Plan, Run
from sparsekd.studies import command
from sparsekd.studies.agreement import (
    default_pair,
    example_agreement,
    finished_models,
    parameter_differences,
)
from sparsekd.studies.study_metric import StudyMetric, default_metric
from sparsekd.studies.study_wording import model_title
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.metrics import title

MAX_ROWS = 2000  # row numbers listed
RIGHT = {
    "first": "Only the first right",
    "second": "Only the second right",
    "both": "Both right",
    "neither": "Both wrong",
}
NEARER = {"first": "The first nearer", "second": "The second nearer", "both": "Equally near"}


def choose_metric(plan: Plan, start: StudyMetric) -> StudyMetric:
    """Draw the choice of split and metric, where there are several."""
    state = url_state.read()
    with st.container(horizontal=True):
        split = _choose(plan, "split", start.splits, start.split, state.split)
        metric = _choose(plan, "metric", start.metrics, start.metric, state.metric)
    url_state.write(
        split="" if split == start.split else split,
        metric="" if metric == start.metric else metric,
    )
    return StudyMetric(start.frame, split, metric)


def _choose(plan: Plan, name: str, options: list[str], usual: str, wanted: str) -> str:
    if len(options) < 2:
        return usual
    return str(
        st.segmented_control(
            name.capitalize(),
            options,
            default=wanted if wanted in options else usual,
            required=True,
            key=f"compare.{name}.{plan.id}",
            format_func=title if name == "metric" else str,
        )
    )


# --- examples --------------------------------------------------------------------------------


def draw_examples(plan: Plan, card: TaskCard, split: str) -> None:
    """Draw on how many examples, and on which, one model is right and another wrong."""
    models = finished_models(plan, store.plan_runs(plan))
    if len(models) < 2:
        st.caption("Fewer than two models are finished.")
        return
    first, second = _choose_pair(models)
    one, other = (frame.load_outputs(models[name], split) for name in (first, second))
    if one is None or other is None or len(one[1]) != len(other[1]):
        st.caption("These models kept no outputs on the same examples.")
        return
    table = example_agreement(card, one, other)
    counts = table["right"].value_counts()
    labels = NEARER if card.regression else RIGHT
    for place, (group, label) in zip(st.columns(4), labels.items(), strict=False):
        place.metric(label, int(counts.get(group, 0)), border=True)
    right = st.segmented_control(
        "Row numbers",
        list(labels),
        default="first",
        required=True,
        format_func=lambda group: labels.get(group, group),
        key="compare.right",
    )
    rows = table[table["right"] == right].drop(columns="right")
    if rows.empty:
        st.caption("There is no such example.")
    else:
        st.caption(f"Rows of {frame.plain(split)}, counted from 0 in the order of the data.")
        st.dataframe(rows.head(MAX_ROWS), width="stretch", hide_index=True, height=240, key="rows")
    frame.draw_download(table, f"{first}-against-{second}", "compare.rows")


def _choose_pair(models: dict[str, Run]) -> tuple[str, str]:
    """Draw the choice of two models; they start from the address, else from the default pair."""
    names = list(models)
    by_run = {run.id: name for name, run in models.items()}
    state = url_state.read()
    usual = dict(zip(("first", "second"), default_pair(names), strict=True))
    chosen = {}
    for place, name in zip(st.columns(2), usual, strict=True):
        start = by_run.get(getattr(state, name), usual[name])
        chosen[name] = place.selectbox(
            name.capitalize(),
            names,
            names.index(start),
            format_func=model_title,
            key=f"compare.{name}",
        )
        run = "" if chosen[name] == usual[name] else models[chosen[name]].id
        url_state.write(**{name: run})
    return chosen["first"], chosen["second"]


# --- the page --------------------------------------------------------------------------------


def draw_page(plan: Plan) -> None:
    """Draw the progress of the study while it runs, then its results."""
    runs = store.plan_runs(plan)
    if activity.any_active(runs.values()):
        live.poll(
            lambda: sidebar.draw_steps(plan, with_links=False), runs.values(), "compare.progress"
        )
    found = default_metric(plan)
    if found is None:
        frame.stop_with_link("No results yet.", "pages/start/home.py", "Show the study's progress")
    else:
        draw_results(plan, choose_metric(plan, found))


def draw_results(plan: Plan, found: StudyMetric) -> None:
    """Draw verdict, seeds, tables, parameters, examples and the command."""
    if plan.kind == "comparison":
        comparison_view.draw_comparison(plan, found, "compare")
    else:
        draw_study(found)
    st.subheader("Parameters that differ", anchor=False)
    st.caption("All else is the same: task, data, budget, initial weights, number of tries.")
    st.dataframe(parameter_differences(plan), width="stretch", hide_index=True, key="differences")
    card = references.cards().get(plan.task)
    if card:
        st.subheader("Example by example", anchor=False)
        with frame.error_boundary():
            draw_examples(plan, card, found.split)
    st.subheader("Command", anchor=False)
    st.code(command.command(plan), language="bash", wrap_lines=True)


def draw_study(found: StudyMetric) -> None:
    """Draw the student of the sparse teacher against its controls."""
    study_view.draw_study_verdict(found)
    study_view.draw_seeds(found, "compare.dots")
    study_view.draw_models(found, "compare.models")
    verdicts = found.control_verdicts()
    if not verdicts.empty:
        frame.draw_table(verdicts, "verdicts", "compare.pairs", "The verdicts as a table")


frame.draw_header("Compare", "Did it help? Students side by side, on held-out data.")
chosen = frame.current_study()
if chosen is None:
    frame.stop_with_link(
        "No study yet. The demo study takes about two minutes.",
        "pages/start/home.py",
        "Run the demo study",
    )
elif chosen.kind == "sweep":
    st.text(chosen.title)
    frame.stop_with_link(
        "The chosen study is a trade-off study: its students, which differ in λ, sparsity and "
        "seed, are compared on the page Trade-offs.",
        "pages/student/tradeoffs.py",
        "Open Trade-offs",
    )
else:
    with frame.error_boundary():
        draw_page(chosen)
