"""Compare: did it help? One study's or comparison's models side by side, and the evidence."""

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
from sparsekd.tasks.cards import TaskCard

MOST_ROWS = 2000  # row numbers listed per side
RIGHT = {
    "first": "Only the first right",
    "second": "Only the second right",
    "both": "Both right",
    "neither": "Both wrong",
}
NEARER = {"first": "The first nearer", "second": "The second nearer", "both": "Equally near"}


def ask(plan: Plan, start: study_view.Question) -> study_view.Question:
    """Which split and which metric to compare on."""
    values = start.values
    splits, metrics = list(values["split"].unique()), list(values["metric"].unique())
    if len(splits) * len(metrics) == 1:
        return start
    state = url_state.read()
    with st.container(horizontal=True):
        split, metric = start.split, start.metric
        if len(splits) > 1:
            split = st.segmented_control(
                "Split", splits, default=state.split if state.split in splits else split,
                required=True, key=f"compare.split.{plan.id}",
            )  # fmt: skip
        if len(metrics) > 1:
            metric = st.segmented_control(
                "Metric", metrics, default=state.metric if state.metric in metrics else metric,
                required=True, key=f"compare.metric.{plan.id}",
                help="The first metric of the task decides early stopping, on the selection split.",
            )  # fmt: skip
    url_state.write(
        split="" if split == start.split else split,
        metric="" if metric == start.metric else metric,
    )
    return study_view.Question(values, split, metric)


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
    for place, (right, label) in zip(st.columns(4), labels.items(), strict=False):
        place.metric(label, int(counts.get(right, 0)), border=True)
    right = st.segmented_control(
        "Row numbers",
        list(labels),
        default="first",
        required=True,
        format_func=labels.get,
        key="compare.right",
    )
    rows = table[table["right"] == right].drop(columns="right")
    st.caption(f"Rows of {split}, counted from 0 in the order of the data.")
    st.dataframe(rows.head(MOST_ROWS), width="stretch", hide_index=True, height=240, key="rows")
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
            format_func=study_view.plain_role,
            key=f"compare.{name}",
        )
        run = "" if chosen[name] == usual[name] else models[chosen[name]].id
        url_state.write(**{name: run})
    return chosen["first"], chosen["second"]


# --- the page --------------------------------------------------------------------------------


def page(plan: Plan) -> None:
    """How far the study is, then what it has found."""
    runs = store.plan_runs(plan)
    if any(activity.is_active(run) for run in runs.values()):
        live.poll(
            lambda: sidebar.draw_steps(plan, with_links=False), runs.values(), "compare.progress"
        )
    found = study_view.reported(plan)
    if found is None:
        frame.stop_with_link("No results yet.", "pages/start/home.py", "See how far the study is")
    else:
        evidence(plan, ask(plan, found))


def evidence(plan: Plan, asked: study_view.Question) -> None:
    """Verdict, dots, table, parameters, examples, the command."""
    if plan.kind == "comparison":
        comparison_view.show(plan, asked, "compare")
    else:
        study(asked)
    st.subheader("What differs between them", anchor=False)
    st.caption("Everything else is the same: task, data, budget, first weights, number of tries.")
    st.dataframe(parameter_differences(plan), width="stretch", hide_index=True, key="differences")
    card = references.cards().get(plan.task)
    if card:
        st.subheader("Example by example", anchor=False)
        with frame.error_boundary():
            draw_examples(plan, card, asked.split)
    st.subheader("Repeat it", anchor=False)
    st.code(command.command(plan), language="bash", wrap_lines=True)


def study(asked: study_view.Question) -> None:
    """The student of the sparse teacher against its controls."""
    study_view.verdict(asked)
    study_view.dots(asked, "compare.dots")
    study_view.models(asked, "compare.models")
    comparisons = asked.comparisons()
    if not comparisons.empty:
        frame.draw_table(comparisons, "comparisons", "compare.pairs", "The comparisons as a table")


frame.draw_header("Compare", "Did it help? Students side by side, on data that chose nothing.")
chosen = frame.current_study()
if chosen is None:
    frame.stop_with_link(
        "No study yet. The demo study takes about two minutes.", "pages/start/home.py",
        "Run the demo study",
    )  # fmt: skip
elif chosen.kind == "sweep":
    st.text(chosen.title)
    frame.stop_with_link(
        "The chosen study is a trade-off study: its students differ in λ, sparsity and seed, and "
        "stand side by side on the page Trade-offs.", "pages/student/tradeoffs.py",
        "Open Trade-offs",
    )  # fmt: skip
else:
    with frame.error_boundary():
        page(chosen)
