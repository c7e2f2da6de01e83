"""The lessons to choose from, with their minutes and where the visitor left off."""

import streamlit as st

from pages.parts.learn import step_view
from pages.parts.shell import frame
from sparsekd.errors import SparseKDError
from sparsekd.lessons import reading
from sparsekd.lessons.lesson import Lesson


def draw_list() -> None:
    """Draw the lessons of this program, and those beside the runs."""
    for number, lesson in enumerate(reading.shipped(), 1):
        _draw_card(lesson, f"{number}. ")
    own = reading.own()
    if own:
        st.subheader("Lessons of this server", anchor=False)
    for name, found in own.items():
        if isinstance(found, SparseKDError):
            with st.container(border=True):
                st.markdown(f"**{frame.plain(name)}**")
                frame.show_error(found)
        else:
            _draw_card(found)


def _draw_card(lesson: Lesson, place: str = "") -> None:
    left_off = st.session_state.get(step_view.LEFT_OFF, {}).get(lesson.name, 0)
    steps = len(lesson.steps)
    with (
        st.container(border=True),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container():
            st.markdown(f"**{place}{frame.plain(lesson.title)}**")
            words = [lesson.summary, f"About {lesson.minutes} minutes, {steps} steps."]
            st.caption(frame.plain(" ".join(word for word in words if word)))
        goes_on = left_off > 1
        label = f"Go on at step {left_off}" if goes_on else "Begin"
        if st.button(
            label,
            type="primary" if goes_on else "secondary",
            icon=":material/arrow_forward:",
            key=f"learn.begin.{place}{lesson.name}",
            help=lesson.title,
        ):
            step_view.go(lesson, left_off or 1)
