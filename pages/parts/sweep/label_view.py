"""Label budgets and label noise of a family of trade-off studies: verdicts, figure, table."""

from collections.abc import Collection

import streamlit as st

from pages.parts.compare import verdict_box
from pages.parts.shell import frame
from pages.parts.sweep import sweep_charts, sweep_view
from pages.parts.sweep.sweep_charts import Chart
from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies.sweeps import label_axes, label_results
from sparsekd.studies.sweeps.label_results import LabelStudy
from sparsekd.studies.sweeps.sweep_metric import SweepMetric
from sparsekd.studies.verdict import INCONCLUSIVE


def label_study(plan: Plan, of: SweepMetric) -> LabelStudy | None:
    """Return the results over the studies that differ in labels or noise.

    None where the study stands alone and has sparse teachers, or nothing is finished.
    """
    if plan.command:
        return None
    plans = label_axes.family(plan, store.plans())
    if not label_results.is_label_study(plans):
        return None
    found = label_results.label_study(plans, of.metric, of.split)
    return None if found.table().empty else found


def draw_verdicts(task: str, found: LabelStudy) -> None:
    """Draw the verdicts of each label budget and noise, corrected together."""
    for words in found.sentences():
        verdict_box.draw_verdict(INCONCLUSIVE, frame.plain(words))
    verdict_box.draw_exploratory(task, found.metric)


def draw_labels(plan: Plan, of: SweepMetric, found: LabelStudy, only: Collection[str] = ()) -> None:
    """Draw student quality against labels; of some kinds of students, or of all."""
    table = found.table()
    if only:
        table = table[table["kind"].isin(only)]
    st.subheader("Label budgets and noise", anchor=False)
    from pages.parts.shell import figure_theme  # plotly takes half a second to load
    from sparsekd import figures

    theme = figure_theme.current()
    chart = Chart(
        figures.label_curves(table, found.teachers, of.metric, of.split, theme, of.majority),
        figures.label_curves_in_words(table, of.metric, of.split),
        table,
    )
    sweep_charts.draw_chart(chart, f"{of.key}.labels.figure", False)
    readable = table.drop(columns=["values", "ours", "known"])
    readable["labels"] = [
        label_results.place_in_words(noise, labels)
        for noise, labels in zip(table["noise"], table["labels"], strict=True)
    ]
    sweep_view.draw_twin(readable, f"labels-{plan.id}", f"{of.key}.labels")
