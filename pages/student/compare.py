"""Compare: the models of a study or comparison side by side, and the evidence."""

import pandas as pd
import streamlit as st

from pages.parts.compare import (
    answers_view,
    comparison_view,
    example_texts,
    study_view,
    verdict_box,
)
from pages.parts.shell import frame, live, sidebar, url_state
from sparsekd.errors import Incompatible
from sparsekd.runs import activity, references, store
from sparsekd.runs.outputs import Outputs
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
from sparsekd.studies.teacher_parts import parts, teacher_seed
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.metrics import title

MAX_ROWS = 2000  # examples listed
COLUMNS = (
    *("text", "pair", "gold", "first", "second", "divergence"),
    *("first_confidence", "second_confidence", "row"),
)
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
    return StudyMetric(start.frame, split, metric, plan)


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
    table = _agreement(card, one, other, split)
    counts = table["right"].value_counts()
    labels = NEARER if card.regression else RIGHT
    for place, (group, label) in zip(st.columns(4), labels.items(), strict=False):
        place.metric(label, int(counts.get(group, 0)), border=True)
    right = st.segmented_control(
        "Examples",
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
        _draw_rows(rows, card, split)
    frame.draw_download(table, f"{first}-against-{second}", "compare.rows")


def _agreement(card: TaskCard, one: Outputs, other: Outputs, split: str) -> pd.DataFrame:
    """Return the table of examples; without texts where these are gone or others, and say so."""
    texts = example_texts.split_texts(card, split)
    try:
        return example_agreement(card, one, other, texts)
    except Incompatible as error:
        frame.show_error(error)
        return example_agreement(card, one, other)


def _draw_rows(rows: pd.DataFrame, card: TaskCard, split: str) -> None:
    """Draw examples with their texts, those on which the two models differ most first."""
    measure = "squared difference" if card.regression else "KL(first ‖ second) in nats"
    st.caption(
        f"Examples of {frame.plain(split)}, those on which the two differ most first ({measure}). "
        "One seed each: another seed may be wrong on other examples."
    )
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    names = [frame.plain(name) for name in card.text]
    st.dataframe(
        rows.head(MAX_ROWS),
        width="stretch",
        hide_index=True,
        height=320,
        key="rows",
        column_order=[name for name in COLUMNS if name in rows],
        column_config={
            "text": text(names[0].capitalize(), width="large"),
            "pair": text(names[-1].capitalize(), width="large"),
            "gold": "Gold",
            "first": "First",
            "second": "Second",
            "first_confidence": number("First, confidence", format="percent"),
            "second_confidence": number("Second, confidence", format="percent"),
            "divergence": number("Difference", format="%.3f", help=measure),
            "row": number("Row", help="Counted from 0 in the order of the data."),
        },
    )


def _choose_pair(models: dict[str, Run]) -> tuple[str, str]:
    """Draw the choice of two models; they start from the address, else from the default pair."""
    names = list(models)
    by_run = {run.id: name for name, run in models.items()}
    state = url_state.read()
    usual = dict(zip(("first", "second"), default_pair(names), strict=True))
    chosen = {}
    for place, name in zip(st.columns(2), usual, strict=True):
        wanted = getattr(state, name)
        if wanted and wanted not in by_run:
            url_state.say_unmet("model", wanted)
        start = by_run.get(wanted, usual[name])
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
    """Draw verdict, seeds, tables, stored answers, parameters, examples and the command."""
    whole = plan
    verdict_box.draw_overlap(plan.task)
    if plan.kind == "comparison":
        comparison_view.draw_comparison(plan, found, "compare")
    else:
        draw_study(found)
    card = references.cards().get(plan.task)
    plan = choose_teacher(plan)
    if card:
        with frame.error_boundary():
            answers_view.draw_answers(plan, card, found.split)
    st.subheader("Parameters that differ", anchor=False)
    st.caption("All else is the same: task, data, budget, initial weights, number of tries.")
    st.dataframe(parameter_differences(plan), width="stretch", hide_index=True, key="differences")
    if card:
        st.subheader("Example by example", anchor=False)
        with frame.error_boundary():
            draw_examples(plan, card, found.split)
    if not whole.name:  # runs that were launched one by one have a command each, on Runs
        st.subheader("Command", anchor=False)
        st.code(command.command(whole), language="bash", wrap_lines=True)


def choose_teacher(plan: Plan) -> Plan:
    """Draw the choice of one of several teachers, and return the comparison with it."""
    pooled = parts(plan)
    if len(pooled) == 1:
        return plan
    st.subheader("Teacher by teacher", anchor=False)
    st.caption("All that follows is of the students of one teacher.")
    by_seed = {teacher_seed(part): part for part in pooled}
    seed = st.segmented_control(
        "Teacher",
        list(by_seed),
        default=next(iter(by_seed)),
        required=True,
        format_func=lambda seed: f"Seed {seed}",
        key=f"compare.teacher.{plan.id}",
        label_visibility="collapsed",
    )
    return by_seed[seed]


def draw_study(found: StudyMetric) -> None:
    """Draw the student of the sparse teacher against its controls."""
    study_view.draw_study_verdict(found)
    study_view.draw_warnings(found)
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
