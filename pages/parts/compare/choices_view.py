"""How far the teachers that students selected agree with the oracle's, and with all of them."""

import streamlit as st

from pages.parts.shell import frame
from sparsekd.studies.model_answers import ModelAnswers


def draw_choices(answers: ModelAnswers, key: str) -> None:
    """Draw the overlap of each student's weights of teachers with the oracle's and equal ones."""
    table = answers.teacher_choices
    if table.empty:
        st.caption("No finished student has selected among several teachers.")
        return
    st.caption(
        "The oracle takes the teacher with the smallest loss on the gold label, which needs no "
        "policy; neither do equal weights. Overlap is Σ min(w, v) of the teachers' weights as they "
        "were trained with, mean over the labelled training examples."
    )
    number = st.column_config.NumberColumn
    frame.draw_columns(
        table,
        {
            "what": st.column_config.TextColumn("Student", width=265),
            "oracle": number(
                "With the oracle",
                format="%.3f",
                help="The weight of the teacher with the smallest loss on the gold label.",
            ),
            "equal": number("With equal weights", format="%.3f"),
            "chance": number(
                "Chance", format="%.3f", help="Of one teacher drawn at random, with either."
            ),
            "seeds": number("Seeds"),
        },
        key,
        "teachers-chosen",
    )
