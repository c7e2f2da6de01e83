"""What a method did with the knowledge: its own numbers over the steps, and what it found out.

A method logs numbers named "kind/name" and may tell about some training examples; nothing here
asks which method it was.
"""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from pages.parts.shell import frame
from sparsekd.runs import tables
from sparsekd.runs.records import Run


@dataclass(frozen=True)
class View:
    """How one kind of number is shown: its title, its axis, and what it means."""

    title: str
    axis: str
    help: str


VIEWS = {
    "stage": View(
        "Stages", "", "Which loss teaches the student, and for how long: bottom layer first."
    ),
    "weight": View(
        "Weight of each kind of knowledge",
        "weight",
        "What the selector lets through: 0 is nothing, 1 is all of it.",
    ),
    "share": View(
        "Share of the instances that each teacher teaches",
        "share",
        "Over the instances of a batch. Several teachers may teach the same instance, so the "
        "shares may add up to more than 1.",
    ),
    "reward": View(
        "Rewards",
        "reward",
        "What the policy is paid for its choice, on the selection split and never on reported "
        "data; the baseline is the running mean that it is measured against.",
    ),
    "raw": View(
        "Losses as they are", "loss", "Before scaling: the kinds live on different scales."
    ),
    "scaled": View(
        "Losses scaled", "loss", "Each divided by its running mean, before the weights."
    ),
    "watch": View(
        "Distance at every layer", "loss", "Also where the layer's loss plays no part at the time."
    ),
}
ORDER = tuple(VIEWS)


def show(run: Run, key: str) -> None:
    """The method's numbers over the steps and, once it has ended, what it found out."""
    numbers(run, key)
    found = tables.findings(run)
    if "layer" in found:
        agreement(found, key)
    if "teacher" in found:
        instances(found, key)


def numbers(run: Run, key: str) -> None:
    """One chart for each kind of number that the method logs, two in a row."""
    logged = tables.curves(run.id)
    noted = tables.notes(logged)
    kinds = [kind for kind in ORDER if (noted["kind"] == kind).any()]
    if not kinds:
        return
    from pages.parts.shell import charts

    st.markdown("##### What the method did")
    begin = run.outcome.episode_steps
    rows = [kinds[start : start + 2] for start in range(0, len(kinds), 2)]
    for row in rows:
        for place, kind in zip(st.columns(len(row), gap="large"), row, strict=True):
            view, part = VIEWS[kind], noted[noted["kind"] == kind]
            with place:
                st.markdown(f"**{view.title}**", help=view.help)
                chart = (
                    charts.timeline(tables.stages(part, tables.last_step(run, logged)))
                    if kind == "stage"
                    else charts.named_lines(part, view.axis, begin)
                )
                names = ", ".join(sorted(part["name"].unique()))
                st.altair_chart(
                    chart, width="stretch", key=f"{key}.{kind}",
                    alt=f"{view.title} over optimiser steps: {names}.",
                )  # fmt: skip
    if begin:
        st.caption(
            f"The first {begin:,} steps are training episodes, whose students are discarded; "
            "the line marks the start of the final training."
        )
    frame.draw_table(noted, f"method-{run.id}", f"{key}.notes")


# --- findings --------------------------------------------------------------------------------


def agreement(found: pd.DataFrame, key: str) -> None:
    """How near each of the student's layers is to its teacher's, before and after."""
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


def instances(found: pd.DataFrame, key: str) -> None:
    """Who teaches each of some training examples, and why."""
    after = found[found["when"] == "after"]
    st.markdown(
        "**Who teaches whom, and why**",
        help="Training examples drawn by chance. Probability: how likely the policy chooses the "
        "teacher for this instance; loss: how wrong the teacher (the student) is about it.",
    )
    table = tables.instances(after)
    st.dataframe(table, width="stretch", hide_index=True, key=f"{key}.instances", height=320)
    frame.draw_download(after, "instances", f"{key}.instances.csv")
