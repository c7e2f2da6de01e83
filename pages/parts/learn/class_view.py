"""What a class answered to a step, as a histogram that follows it."""

import altair as alt
import pandas as pd
import streamlit as st

from pages.parts.shell import charts, class_mode, frame
from sparsekd.errors import Unavailable
from sparsekd.lessons import answers, class_answers
from sparsekd.lessons.lesson import Lesson, Question

EVERY = 2.0  # seconds between two looks at the answers
NOT_KEPT = "learn.not_kept"


def keep(lesson: str, number: int, answer: str) -> None:
    """Keep a visitor's answer; where that fails, say so beside the class's, and go on."""
    try:
        class_answers.keep(class_mode.visitor(), lesson, number, answer)
    except Unavailable as error:
        st.session_state[NOT_KEPT] = error


def draw_histogram(lesson: Lesson, number: int, question: Question, answered: bool) -> None:
    """Draw the class's answers: to the lecturer, and to a visitor who has answered."""
    if not class_mode.MODE.on or not (answered or class_mode.is_lecturer()):
        return

    failed = st.session_state.pop(NOT_KEPT, None)
    if failed is not None:
        frame.show_error(failed)

    @frame.guarded
    def draw() -> None:
        given = _of_step(lesson.name, number)
        found = [one for one in given if answers.is_answer(question, one)]
        st.markdown(f"**The class**: {len(found)} answered")
        if found:
            _draw_counts(class_answers.counts(question, found))

    st.fragment(draw, run_every=EVERY, key=f"learn.class.{number}")()


@st.cache_data(max_entries=64, ttl=EVERY / 2, show_spinner=False)
def _of_step(lesson: str, number: int) -> list[str]:
    """Return the answers, read once for all who look."""
    return class_answers.of_step(lesson, number)


def _draw_counts(counts: dict[str, int]) -> None:
    table = pd.DataFrame({"answer": list(counts), "visitors": list(counts.values())})
    bars = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("visitors:Q", title="Visitors", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("answer:N", sort=list(counts), title=None, axis=alt.Axis(labelLimit=420)),
            tooltip=["answer:N", "visitors:Q"],
        )
        .properties(height=alt.Step(24))
    )
    spoken = "; ".join(f"{name}: {count}" for name, count in counts.items() if count)
    st.altair_chart(charts.legible(bars), width="stretch", alt=f"{spoken}.")
