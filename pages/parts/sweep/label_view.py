"""Label budgets and label noise of a family of trade-off studies: verdicts, figure, table."""

import streamlit as st

from pages.parts.shell import frame
from pages.parts.sweep import sweep_charts, sweep_view
from pages.parts.sweep.sweep_charts import Chart
from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies.sweeps import label_axes, label_results
from sparsekd.studies.sweeps.sweep_metric import SweepMetric


def draw_labels(plan: Plan, of: SweepMetric) -> None:
    """Draw student quality against labels over the studies that differ in labels or noise.

    Nothing where the study stands alone and has sparse teachers.
    """
    if plan.command:
        return
    plans = label_axes.family(plan, store.plans())
    if not label_results.is_label_study(plans):
        return
    found = label_results.label_study(plans, of.metric, of.split)
    table = found.table()
    if table.empty:
        return
    st.subheader("Label budgets and noise", anchor=False)
    for sentence in found.sentences():
        st.markdown(f"- {frame.plain(sentence)}")
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
