"""The conclusion of a trade-off study: its sentence, the choices, the verdicts."""

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from pages.parts.compare import verdict_box
from pages.parts.shell import frame, url_state
from pages.parts.sweep.sweep_frames import SweepSnapshot
from sparsekd.catalog.methods import METHODS
from sparsekd.studies import stats
from sparsekd.studies.sweeps.sweep_metric import SweepMetric, choice_table, verdict_table
from sparsekd.tasks import metrics
from sparsekd.tasks.metrics import METRICS

CHOICES = (
    *("what", "lam", "sparsity", "tries", "selected", "reported", "claimed", "interval"),
    *("luck", "optimism"),
)
VERDICTS = (
    *("what", "difference", "words", "p_corrected", "interval", "confidence", "p", "seeds"),
    *("seed_error", "example_error"),
)
"""Columns from left to right; on a narrow page the last ones are scrolled to."""


def choose_metric(start: SweepMetric) -> SweepMetric:
    """Draw the choice of method, split and metric, where there are several."""
    chosen = {name: str(getattr(start, name)) for name in ("method", "split", "metric")}
    with st.container(horizontal=True):
        for name, values in start.options().items():
            if len(values) > 1:
                chosen[name] = _choose(name, values, chosen[name])
    return SweepMetric(start.plan, start.students, **chosen)


def _choose(name: str, values: list[str], usual: str) -> str:
    key = url_state.bound_among(name, name, values, usual)
    words = "λ and sparsity are chosen on the selection split, by this metric."
    chosen = st.segmented_control(
        name.capitalize(),
        values,
        required=True,
        key=key,
        format_func=_title,
        help=words if name == "metric" else None,
    )
    url_state.write(**{name: "" if chosen == usual else chosen})
    return str(chosen)


def _title(name: str) -> str:
    if name in METHODS:
        return METHODS[name].title
    return metrics.title(name) if name in {*METRICS, "loss"} else name


# --- conclusion ------------------------------------------------------------------------------


def draw_conclusion(snapshot: SweepSnapshot, of: SweepMetric) -> None:
    """Draw the conclusion in a sentence, in the colour of the main verdict."""
    found = snapshot.conclusion(of)
    main = found.verdict
    verdict_box.draw_verdict(main.verdict if main else "", frame.plain(found.sentence))
    verdict_box.draw_exploratory(snapshot.plan.task, of.metric)
    for sentence in snapshot.warnings(of):
        st.warning(frame.plain(sentence), icon=":material/warning:")
    verdict_box.draw_overlap(snapshot.plan.task)
    seeds = of.students["seed"].nunique()
    if seeds < stats.LEAST_SEEDS:
        st.caption(
            f"No verdict below {stats.LEAST_SEEDS} seeds. More can be added; finished runs are "
            "used again."
        )


def draw_evidence(snapshot: SweepSnapshot, of: SweepMetric, verdicts: bool = True) -> None:
    """Draw the best try of each kind of teacher, and the verdict against each control.

    A label study has verdicts of its own, corrected together: those of one of its studies alone
    are not drawn.
    """
    found = snapshot.conclusion(of)
    if not found.choices:
        return
    st.subheader("Choices", anchor=False)
    st.caption(
        f"Chosen on the selection split, reported once on {frame.plain(of.split)}. Each row is the "
        "best of its own tries."
    )
    choices = choice_table(found, of.majority)
    with st.container(key="tradeoffs.chosen"):
        st.dataframe(
            choices,
            width="stretch",
            hide_index=True,
            height="content",
            placeholder="–",
            column_config=_choice_columns(of),
            column_order=CHOICES,
            key="tradeoffs.choices",
        )
    draw_downloads(choices, f"choices-{of.plan.id}", f"{of.key}.choices")
    if not (found.verdicts and verdicts):
        return
    st.subheader("Verdict against each control", anchor=False)
    with st.container(key="tradeoffs.compared"):
        st.dataframe(
            verdict_table(found),
            width="stretch",
            hide_index=True,
            height="content",
            placeholder="–",
            column_config=_verdict_columns(of),
            column_order=VERDICTS,
            key="tradeoffs.verdicts",
        )
    draw_downloads(found.table(), f"verdicts-{of.plan.id}", f"{of.key}.verdicts")


def _choice_columns(of: SweepMetric) -> dict[str, ColumnConfig]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "what": text("Teacher", width=210, help="Each with its best setting or try."),
        "lam": number("λ", format="%g", width=50, help="The chosen λ."),
        "sparsity": number(
            "Sparsity", format="%g%%", width=75, help="Share of the teacher's units removed."
        ),
        "tries": text(
            "Tries", width=60, help="Settings, or random draws, that are complete over all seeds."
        ),
        "selected": number(
            "Selected on",
            format="%.3f",
            width=85,
            help=f"Mean {of.title.lower()} on the selection split, the criterion of the choice.",
        ),
        "reported": number(
            "Reported",
            format="%.3f",
            width=80,
            help=f"Mean over seeds on {of.split}, which chose nothing.",
        ),
        "interval": text(
            "95% interval",
            width=115,
            help="For new seeds and new examples: without the luck of choosing.",
        ),
        "luck": number(
            "Luck",
            format="%+.4f",
            width=70,
            help="What the reported mean owes to choosing the best of several tries by chance.",
        ),
        "claimed": number(
            "Would claim",
            format="%.3f",
            width=90,
            help=f"The best mean among its tries, had the choice been made on {of.split}.",
        ),
        "optimism": number(
            "Optimism",
            format="%+.3f",
            width=80,
            help="Would claim − reported: the bias of choosing on the reported data.",
        ),
    }


def _verdict_columns(of: SweepMetric) -> dict[str, ColumnConfig]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "what": text("Control", width=210, help="Each with its best setting or try."),
        "difference": number(
            "Difference",
            format="%+.3f",
            width=80,
            help=f"{of.title}: the chosen student of a sparse teacher minus this one, paired "
            "over seeds, both without the luck of choosing.",
        ),
        "interval": text(
            "Interval", width=120, help="Of this difference, for new seeds and examples."
        ),
        "confidence": number(
            "Confidence",
            format="percent",
            width=80,
            help="Of the interval: the level at which Holm's procedure tests the comparison.",
        ),
        "p": number("p", format="%.2g", width=50, help="Paired test of this difference alone."),
        "p_corrected": number(
            "p, corrected",
            format="%.2g",
            width=90,
            help="Corrected by Holm for the number of comparisons; it decides the verdict.",
        ),
        "seeds": number("Seeds", width=50),
        "words": text("Verdict", width=205),
        "seed_error": number(
            "Error, seeds", format="%.4f", width=90, help="Standard error over seeds."
        ),
        "example_error": number(
            "Error, examples",
            format="%.4f",
            width=110,
            help="Standard error over the examples of the split; empty where their answers are "
            "not known.",
        ),
    }


# --- tables ----------------------------------------------------------------------------------


def draw_downloads(table: pd.DataFrame, name: str, key: str) -> None:
    """Draw buttons that save a frame as CSV and as Parquet."""
    with st.container(horizontal=True):
        frame.draw_download(table, name, f"{key}.csv")
        st.download_button(
            "Download Parquet",
            lambda: table.to_parquet(index=False),
            f"{name}.parquet",
            "application/vnd.apache.parquet",
            key=f"{key}.parquet",
            icon=":material/download:",
            on_click="ignore",
        )


def draw_twin(table: pd.DataFrame, name: str, key: str) -> None:
    """Draw the table twin of a chart, folded away, with downloads."""
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(table, width="stretch", hide_index=True, key=f"{key}.table")
        draw_downloads(table, name, key)
