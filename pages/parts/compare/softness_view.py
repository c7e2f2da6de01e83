"""How soft the labels are that each student of a study learned from."""

import streamlit as st

from pages.parts.shell import frame
from sparsekd.studies.model_answers import ModelAnswers


def draw_softness(answers: ModelAnswers, key: str) -> None:
    """Draw the mean entropy of the soft labels that each student learned from."""
    table = answers.soft_labels
    if table.empty:
        st.caption("No finished student has learned from one teacher's soft labels.")
        return
    st.caption(
        "A sparse teacher, and one with a random mask, may be softer than the dense one: then part "
        "of their effect is that of a temperature. The control is the variant "
        "`vanilla:matched_entropy`: the dense teacher at the temperature at which it is as soft."
    )
    frame.draw_columns(
        table,
        {
            "what": st.column_config.TextColumn("Student", width=265),
            "entropy": st.column_config.NumberColumn(
                "Entropy of its soft labels",
                format="%.4f",
                help="In nats, mean over the training texts, at the teacher's temperature; mean "
                "over seeds.",
            ),
            "temperature": st.column_config.NumberColumn("Teacher's temperature", format="%.3f"),
            "seeds": st.column_config.NumberColumn("Seeds"),
        },
        key,
        "soft-labels",
    )
