"""Charts of what a method logs besides its losses, and of its findings about examples.

A method logs numbers named "kind/name"; a kind without an entry here has a plain line chart.
"""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from pages.parts.shell import frame
from sparsekd.runs import tables
from sparsekd.runs.records import Run
from sparsekd.studies import teacher_choices


@dataclass(frozen=True)
class ChartText:
    """The title, axis title and help of the chart of one kind of number."""

    title: str
    axis: str
    help: str = ""


CHARTS = {
    "stage": ChartText(
        "Stages", "", "Which loss is active, and for how long: the bottom layer first."
    ),
    "weight": ChartText(
        "Weight of each kind of knowledge", "weight", "The weights of the selector, 0–1."
    ),
    "share": ChartText(
        "Share of the instances assigned to each teacher",
        "share",
        "Over the instances of a batch. An instance may have several teachers, so the shares may "
        "add up to more than 1.",
    ),
    "reward": ChartText(
        "Rewards",
        "reward",
        "Rewards of the policy, from training or selection data, never from reported data; a "
        "baseline is subtracted from them.",
    ),
    "raw": ChartText(
        "Losses before scaling", "loss", "The kinds of knowledge have different scales."
    ),
    "scaled": ChartText(
        "Losses after scaling", "loss", "Each divided by its running mean, before the weights."
    ),
    "watch": ChartText(
        "Distance at every layer", "loss", "Also while the layer's loss is not active."
    ),
}
SELECTION = {"teacher", "probability", "chosen", "teacher_loss", "student_loss", "label"}


def draw_method(run: Run, key: str) -> None:
    """Draw the method's numbers over the steps and, where it has ended, its findings."""
    draw_numbers(run, key)
    found = tables.findings(run)
    if "layer" in found:
        draw_agreement(found, key)
    elif set(found) >= SELECTION:
        draw_instances(found, key)
    elif len(found):
        st.markdown("**Inspected examples**")
        frame.draw_table(found, "examples", f"{key}.examples")
    if agreed := teacher_choices.in_words(run.outcome.facts):
        st.caption(agreed)


def draw_numbers(run: Run, key: str) -> None:
    """Draw one chart for each kind of number that the method logs, two in a row."""
    logged = tables.curves(run.id)
    values = tables.method_values(logged)
    there = set(values["kind"])
    kinds = [kind for kind in CHARTS if kind in there] + sorted(there - set(CHARTS))
    if not kinds:
        return
    st.markdown("##### Inside the method")
    begin = run.outcome.episode_steps
    last = tables.last_step(run, logged)
    for row in (kinds[start : start + 2] for start in range(0, len(kinds), 2)):
        for place, kind in zip(st.columns(len(row), gap="large"), row, strict=True):
            with place:
                _draw_kind(values[values["kind"] == kind], kind, begin, last, key)
    if begin:
        st.caption(
            f"The first {begin:,} steps are training episodes, whose students are discarded; "
            "the line marks the start of the final training."
        )
    frame.draw_table(values, f"method-{run.id}", f"{key}.notes")


def _draw_kind(part: pd.DataFrame, kind: str, begin: int, last: int, key: str) -> None:
    """Draw the numbers of one kind: stages as bars, all others as lines."""
    from pages.parts.shell import charts

    text = CHARTS.get(kind) or ChartText(kind.replace("_", " ").capitalize(), "value")
    st.markdown(f"**{frame.plain(text.title)}**", help=text.help or None)
    names = ", ".join(sorted(part["name"].unique()))
    st.altair_chart(
        charts.timeline(tables.stages(part, last))
        if kind == "stage"
        else charts.named_lines(part, text.axis, begin),
        width="stretch",
        key=f"{key}.{kind}",
        alt=f"{text.title} over optimiser steps: {names}.",
    )


# --- findings --------------------------------------------------------------------------------


def draw_agreement(found: pd.DataFrame, key: str) -> None:
    """Draw the distance of each student layer to its teacher layer, before and after."""
    from pages.parts.shell import charts

    means = tables.agreement(found)
    examples = found["row"].nunique()
    st.markdown(
        "**Agreement with the teacher, layer by layer**",
        help=f"Mean over {examples} training examples, before the first step and after the last. "
        "0 is perfect agreement.",
    )
    places = st.columns(max(1, means["measure"].nunique()), gap="large")
    for place, (measure, part) in zip(places, means.groupby("measure", sort=False), strict=True):
        words = "; ".join(
            f"layer {row.layer} {row.when} {row.value:.3f}" for row in part.itertuples()
        )
        place.altair_chart(
            charts.before_and_after(part, str(measure)),
            width="stretch",
            key=f"{key}.agreement.{measure}",
            alt=f"{measure}: {words}.",
        )
    frame.draw_table(means, "agreement", f"{key}.agreement")


def draw_instances(found: pd.DataFrame, key: str) -> None:
    """Draw which teachers some training examples are assigned to, and why."""
    after = found[found["when"] == "after"]
    st.markdown(
        "**Teachers chosen per example**",
        help="A random sample of the training examples. Probability: how likely the policy chooses "
        "the teacher for this example; loss: that of the teacher (of the student) on it.",
    )
    table = tables.instances(after)
    st.dataframe(table, width="stretch", hide_index=True, key=f"{key}.instances", height=320)
    frame.draw_download(after, "instances", f"{key}.instances.csv")
