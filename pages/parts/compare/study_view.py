"""The result of a study: the verdict in words, a table of its models, every seed as a dot."""

import streamlit as st

from pages.parts.compare import verdict_box
from pages.parts.shell import frame
from sparsekd.studies.study_metric import StudyMetric, model_table
from sparsekd.studies.study_wording import study_statements


def draw_study_verdict(found: StudyMetric) -> None:
    """Draw the verdict against the first control in a box, the others as a list."""
    first, *others = study_statements(found)
    verdict_box.draw_verdict(first.verdict, frame.plain(first.text))
    for other in others:
        st.markdown(f"- {frame.plain(other.text)}")
    if found.plan:
        verdict_box.draw_exploratory(found.plan.task, found.metric)


def draw_warnings(found: StudyMetric) -> None:
    """Draw which models have learned nothing."""
    for sentence in found.warnings():
        st.warning(frame.plain(sentence), icon=":material/warning:")


def draw_models(found: StudyMetric, key: str, brief: bool = False) -> None:
    """Draw the table of a study's models: metric and size; the rest where not brief."""
    table = model_table(found)
    columns = ["what", "mean", "interval", "parameters", "share", "seconds", "seeds"]
    if brief:
        columns = ["what", "mean", "parameters"]
    elif (table["seeds"] < 2).all():
        columns.remove("interval")
    st.dataframe(
        table[columns],
        width="stretch",
        hide_index=True,
        placeholder="–",
        key=key,
        column_config={
            "what": st.column_config.TextColumn("Model", width=245),
            "mean": st.column_config.NumberColumn(
                found.title, format="%.3f", help=f"On the split “{found.split}”, mean over seeds."
            ),
            "interval": st.column_config.TextColumn("95% interval"),
            "parameters": st.column_config.NumberColumn("Parameters", format="localized", width=95),
            "share": st.column_config.ProgressColumn(
                "Of the largest", format="percent", min_value=0, max_value=1, color="gray"
            ),
            "seconds": st.column_config.NumberColumn("Seconds", format="%.1f", width=75),
            "seeds": st.column_config.NumberColumn("Seeds"),
        },
    )
    frame.draw_download(found.summary(), "study", f"{key}.csv")


def level(found: StudyMetric) -> str:
    """Return the majority baseline as the last of the spoken means; empty where there is none."""
    usual = found.majority
    return f"; {usual.name} {usual.value:.3f}" if usual else ""


def draw_seeds(found: StudyMetric, key: str) -> None:
    """Draw every seed as a dot, the mean as a bar, its 95% interval as a line."""
    from pages.parts.shell import charts

    means = found.summary()
    spoken = "; ".join(f"{row.what} {row.mean:.3f}" for row in means.itertuples())
    st.altair_chart(
        charts.dots(found.points(), means, found.title, None, found.majority),
        width="stretch",
        key=key,
        alt=f"{found.title} of each model, one dot per seed. Means: {spoken}{level(found)}.",
    )
