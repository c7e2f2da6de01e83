"""The held-out texts that a model gets wrong, from the answers that its run has kept."""

import pandas as pd
import streamlit as st

from pages.parts.compare import example_texts
from pages.parts.shell import frame
from pages.parts.tryit import example_form
from sparsekd.errors import Incompatible
from sparsekd.runs.outputs import Outputs
from sparsekd.runs.records import Run
from sparsekd.studies.misses import misses
from sparsekd.tasks.cards import TaskCard

SHOWN = 10
TABLE = "tryit.misses"


def draw_misses(models: dict[str, Run], card: TaskCard) -> None:
    """Draw the choice of a model, and its surest mistakes; a click puts one into the boxes."""
    split = card.validation[0]
    found = {name: frame.load_outputs(run, split) for name, run in models.items()}
    answers = {name: kept for name, kept in found.items() if kept is not None}
    if not answers:
        st.caption(f"These models have kept no answers on {frame.plain(split)}.")
        return
    name = st.selectbox("Model", list(answers), key=f"tryit.misses.{'|'.join(answers)}")
    texts = example_texts.split_texts(card, split)
    try:
        table = misses(card, answers, name, texts)
    except Incompatible as error:
        frame.show_error(error)
        table = misses(card, answers, name)
    st.markdown(_in_words(card, table, answers[name], split))
    if table.empty:
        return
    shown = table.head(SHOWN)
    width = "large" if len(card.text) == 1 else 250  # the answers beside the texts
    st.dataframe(
        shown.drop(columns="row"),
        width="stretch",
        height="content",
        hide_index=True,
        key=TABLE,
        on_select=lambda: _take(shown),
        selection_mode="single-row",
        column_config={
            "text": st.column_config.TextColumn(frame.plain(card.text[0]), width=width),
            "pair": st.column_config.TextColumn(frame.plain(card.text[-1]), width=width),
            "gold": "Gold label",
            "prediction": "Prediction",
            "confidence": st.column_config.NumberColumn("Confidence", format="percent"),
            "error": st.column_config.NumberColumn("Error", format="%.2f"),
            "missed_by": st.column_config.NumberColumn(
                f"Missed by (of {len(answers)})",
                help="How many of the chosen models get this text wrong. A text that all of them "
                "miss may have a wrong label.",
            ),
        },
    )
    frame.draw_download(table, "mistakes", "tryit.misses.csv")


def _in_words(card: TaskCard, table: pd.DataFrame, answers: Outputs, split: str) -> str:
    where, total = frame.plain(split), len(answers[1])
    chosen = "Choose one in the first column to ask every model."
    if card.regression:
        return f"The {total:,} texts of {where}, the farthest from the gold number first. {chosen}"
    if table.empty:
        return f"It gets every one of the {total:,} texts of {where} right."
    share = len(table) / total
    return (
        f"It misses **{len(table):,}** of {total:,} texts of {where} ({share:.1%}); those of which "
        f"it was surest first. {chosen}"
    )


def _take(shown: pd.DataFrame) -> None:
    """Put the chosen text into the boxes."""
    rows = st.session_state[TABLE].selection.rows
    if rows and "text" in shown:
        example_form.put(example_form.texts_of(shown.iloc[rows[0]]))
