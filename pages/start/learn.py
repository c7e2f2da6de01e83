"""Learn: lessons of a few minutes, on real runs: look, guess, then see."""

import streamlit as st

from pages.parts.learn import lesson_list, presenting, step_view
from pages.parts.shell import frame, sample_store, url_state
from sparsekd.lessons import reading
from sparsekd.runs import sample, store

WITHOUT = (
    "The lessons show the sample study, which is switched off: start the dashboard without "
    "SPARSEKD_SAMPLE=off."
)
QUESTION = "What does a student learn from its teacher, and when does it help?"


def draw_page() -> None:
    """Draw the lesson of the address bar, or the list of all."""
    state = url_state.read()
    there = sample.is_there()
    if there:
        sample_store.show()
    presenting.enlarge()
    if not state.present:
        frame.draw_header("Learn", QUESTION)
    lesson = reading.find(state.lesson) if state.lesson else None
    if lesson is not None and lesson.data == "own":
        sample_store.hide()
    elif not there:
        st.info(WITHOUT, icon=":material/info:")
        return
    with store.reading(sample_store.shown()):
        if lesson is None:
            lesson_list.draw_list()
        else:
            step_view.draw_lesson(lesson)


with frame.error_boundary():
    draw_page()
