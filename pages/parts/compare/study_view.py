"""The result of a study: the verdict in words, a table of its models, every seed as a dot."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from pages.parts.shell import frame
from sparsekd.runs import references
from sparsekd.runs.records import Plan
from sparsekd.studies import results, roles, stats
from sparsekd.tasks import metrics

LEAST = stats.LEAST_SEEDS


@dataclass(frozen=True)
class Question:
    """What a study is asked: one split and one metric of its long frame."""

    values: pd.DataFrame
    split: str
    metric: str

    @property
    def title(self) -> str:
        """The metric in words."""
        return metrics.title(self.metric)

    @property
    def chosen(self) -> pd.DataFrame:
        """The rows of this split and metric."""
        values = self.values
        return values[(values["split"] == self.split) & (values["metric"] == self.metric)]

    def summary(self) -> pd.DataFrame:
        """Per role: mean, interval, seeds, parameters, seconds."""
        return results.summary(self.values, self.split, self.metric)

    def comparisons(self) -> pd.DataFrame:
        """The student of the sparse teacher against each control."""
        return results.comparisons(self.values, self.split, self.metric)

    def size(self, difference: float) -> str:
        """A difference in points (hundredths), or as it is for a loss."""
        if self.metric == "loss":
            return f"{abs(difference):.3f}"
        return f"{abs(100 * difference):.1f} points"


def reported(plan: Plan) -> Question | None:
    """The task's first metric on its first validation split; None before the first result."""
    values = results.study_frame(plan)
    if values.empty:
        return None
    card = references.cards().get(plan.task)
    splits, metrics = list(values["split"].unique()), list(values["metric"].unique())
    wanted = card.metrics[0] if card else metrics[0]
    return Question(values, splits[0], wanted if wanted in metrics else metrics[0])


def verdict(asked: Question) -> None:
    """Did it help? In words, and honest about how many seeds say so."""
    found = asked.comparisons()
    if found.empty:
        st.info("Not all students are there yet: no verdict.", icon=":material/hourglass_top:")
        return
    first = found.iloc[0]
    words = f"{sentence(asked, first)} {_trust(asked, first)}"
    if first["verdict"] == "better":
        st.success(words, icon=":material/thumb_up:")
    elif first["verdict"] == "worse":
        st.warning(words, icon=":material/thumb_down:")
    else:
        st.info(words, icon=":material/balance:")
    for _, other in found.iloc[1:].iterrows():
        st.markdown(f"- {sentence(asked, other)} {_short(other)}")


def sentence(asked: Question, row: pd.Series) -> str:
    """One comparison as a sentence."""
    seeds = int(row["seeds"])
    mean = f"on average over {seeds} seeds " if seeds > 1 else ""
    difference, against = float(row["difference"]), against_words(str(row["control"]))
    if difference == 0:
        return f"{asked.title}: the student of the sparse teacher is level with {against}."
    side = "above" if difference > 0 else "below"
    return (
        f"{asked.title}: the student of the sparse teacher is {mean}"
        f"{asked.size(difference)} {side} {against}."
    )


def against_words(control: str) -> str:
    """A control inside a sentence."""
    words = roles.title(control)
    return f"the {words[0].lower()}{words[1:]}"


def plain_role(name: str) -> str:
    """ "student, seed 0" in words."""
    role, _, seed = name.partition(", ")
    return f"{roles.title(role)}, {seed}"


def _trust(asked: Question, row: pd.Series) -> str:
    seeds = int(row["seeds"])
    if seeds < LEAST:
        count = "One seed proves" if seeds == 1 else f"{seeds} seeds prove"
        return f"{count} nothing: a verdict takes at least {LEAST}, and this may be luck."
    low, high = (100 * row[end] for end in ("low", "high"))
    ranges = f"{low:+.1f} to {high:+.1f} points"
    if asked.metric == "loss":
        ranges = f"{row['low']:+.3f} to {row['high']:+.3f}"
    numbers = f"{seeds} seeds, corrected p = {row['p_corrected']:.2g}"
    if np.isfinite(row["low"]):
        numbers = f"{100 * row['confidence']:.4g} % interval {ranges}, {numbers}"
    words = str(row["words"])
    return f"{words[0].upper()}{words[1:]} ({numbers})."


def _short(row: pd.Series) -> str:
    if int(row["seeds"]) < LEAST:
        return "(Too few seeds for a verdict.)"
    return f"({str(row['words']).capitalize()}.)"


def models(asked: Question, key: str, brief: bool = False) -> None:
    """The table of the study's models: metric, parameters, seconds; intervals where not brief."""
    found = asked.summary()
    shown = found.assign(
        interval=[_interval(row) for _, row in found.iterrows()],
        share=found["parameters"] / found["parameters"].max(),
    )
    columns = ["what", "mean", "interval", "parameters", "share", "seconds", "seeds"]
    if brief:
        columns = ["what", "mean", "parameters", "seconds"]
    elif (found["seeds"] < 2).all():
        columns.remove("interval")
    st.dataframe(
        shown[columns],
        width="stretch",
        hide_index=True,
        key=key,
        column_config={
            "what": st.column_config.TextColumn("Model", width=235),
            "mean": st.column_config.NumberColumn(
                asked.title, format="%.3f", help=f"On the split “{asked.split}”, mean over seeds."
            ),
            "interval": st.column_config.TextColumn("95 % interval"),
            "parameters": st.column_config.NumberColumn("Parameters", format="localized", width=95),
            "share": st.column_config.ProgressColumn(
                "Of the largest", format="percent", min_value=0, max_value=1, color="gray"
            ),
            "seconds": st.column_config.NumberColumn("Seconds", format="%.1f", width=75),
            "seeds": st.column_config.NumberColumn("Seeds"),
        },
    )
    frame.draw_download(found, "study", f"{key}.csv")


def _interval(row: pd.Series) -> str:
    return "–" if np.isnan(row["low"]) else f"{row['low']:.3f} to {row['high']:.3f}"


def dots(asked: Question, key: str) -> None:
    """Every seed as a dot, the mean as a bar, its 95 % interval as a line."""
    from pages.parts.shell import charts

    means = asked.summary()
    points = asked.chosen.assign(what=asked.chosen["role"].map(roles.title))
    spoken = "; ".join(f"{row.what} {row.mean:.3f}" for row in means.itertuples())
    st.altair_chart(
        charts.dots(points, means, asked.title),
        width="stretch",
        key=key,
        alt=f"{asked.title} of each model, one dot per seed. Means: {spoken}.",
    )
