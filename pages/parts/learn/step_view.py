"""One step of a lesson: its text, view and question; the answer, what is so, and why."""

from functools import partial
from pathlib import Path

import streamlit as st

from pages.parts.learn import class_view, learn_views, presenting, question_form
from pages.parts.scores_and_mask import cached_scores
from pages.parts.shell import frame, sample_store, url_state
from pages.parts.tryit import predictions_view
from sparsekd.lessons import answers, checking, facts, hand_in, studied
from sparsekd.lessons.answers import Given
from sparsekd.lessons.facts import Fact, Facts
from sparsekd.lessons.lesson import Lesson, Question, Step
from sparsekd.lessons.views import Answers, AnyView
from sparsekd.runs import store

WIDTH = 760  # pixels of a readable line
ENTERED = "learn.entered"
LEFT_OFF = "learn.left_off"


def draw_lesson(lesson: Lesson) -> None:
    """Draw the step of the address bar, and the ways to the others."""
    number = min(url_state.read().step, len(lesson.steps))
    step = lesson.steps[number - 1]
    enter(lesson, number)
    _draw_place(lesson, number)
    st.subheader(step.title, anchor=False)
    given = _given(lesson)
    with frame.error_boundary():
        draw_step(lesson, number, given)
    st.space("small")
    _draw_ways(lesson, number, given)


def go(lesson: Lesson, number: int) -> None:
    """Open a step with the state that it asks for; the answers stay."""
    state = url_state.read()
    view = lesson.steps[number - 1].view
    chosen = {} if view is None else view.state()
    st.session_state[ENTERED] = (lesson.name, number)
    _set_temperature(view)
    url_state.leap(
        lesson=lesson.name, step=number, answers=state.answers, present=state.present, **chosen
    )


def enter(lesson: Lesson, number: int) -> None:
    """Give a step that a link has opened the state that the link does not name."""
    st.session_state.setdefault(LEFT_OFF, {})[lesson.name] = number
    if st.session_state.get(ENTERED) == (lesson.name, number):
        return
    st.session_state[ENTERED] = (lesson.name, number)
    view = lesson.steps[number - 1].view
    _set_temperature(view)
    wanted = {} if view is None else view.state()
    missing = {name: wanted[name] for name in wanted if name not in st.query_params}
    if missing:
        url_state.jump(**missing)


def _set_temperature(view: AnyView | None) -> None:
    if isinstance(view, Answers):
        predictions_view.set_temperature(view.temperature)


def _given(lesson: Lesson) -> Given:
    """Return the answers of the address bar that are answers to this lesson's questions."""
    asked = {number: step.question for number, step in enumerate(lesson.steps, 1) if step.question}
    found = answers.read(url_state.read().answers)
    return {
        number: one
        for number, one in found.items()
        if number in asked and answers.is_answer(asked[number], one)
    }


# --- the step --------------------------------------------------------------------------------


def draw_step(lesson: Lesson, number: int, given: Given) -> None:
    """Draw a step; a view that comes after the question waits for the answer."""
    step = lesson.steps[number - 1]
    known = _facts_of(step)
    question = step.question and checking.filled_question(step.question, known)
    answered = question is None or number in given
    with st.container(width=WIDTH):
        if step.text:
            st.markdown(checking.filled(step.text, known))
    if step.view is not None and not step.view.after:
        _draw_view(step.view)
    if question is not None:
        with st.container(width=WIDTH):
            _draw_question(question, lesson, number, given, known)
    if step.view is not None and step.view.after and answered:
        _draw_view(step.view)


def _draw_question(
    question: Question, lesson: Lesson, number: int, given: Given, known: Facts
) -> None:
    step = lesson.steps[number - 1]
    if number not in given:
        question_form.ask(question, lesson.name, number, given, _shape(step))
    else:
        truth: Fact = question.right or known[question.answer]
        question_form.draw_outcome(question, number, given, truth)
    class_view.draw_histogram(lesson, number, question, number in given)
    if number in given and step.reveal:
        st.markdown(checking.filled(step.reveal, known))


def _shape(step: Step) -> tuple[int, int]:
    """Return layers and heads of the teacher that a step shows."""
    if step.view is None or step.question is None or not step.question.heads:
        return (0, 0)
    layers, heads, _ = cached_scores.load(studied.scores(studied.study(step.view))).shape
    return layers, heads


def _facts_of(step: Step) -> Facts:
    """Return the facts that a step's text may name; none are read where it names none."""
    asked = step.question is not None and bool(step.question.answer)
    if step.view is None or not (asked or any("{" in text for text in checking.texts(step))):
        return {}
    stamp = (str(store.home()), *store.finished_stamp())
    return _read_facts(step.view.model_dump_json(), stamp, step.view)


@st.cache_data(max_entries=200, show_spinner="Reading the runs …")
def _read_facts(view: str, stamp: tuple[object, ...], _view: AnyView) -> Facts:
    return facts.facts(_view)


def _draw_view(view: AnyView) -> None:
    with st.container(border=True, key="learn.view"):
        learn_views.draw(view)
        st.page_link(
            learn_views.PAGES[type(view)],
            label="Open this on its own page",
            icon=":material/open_in_new:",
            query_params=url_state.link(study=studied.study(view).id, **view.state()),
        )


# --- ways ------------------------------------------------------------------------------------


def _draw_place(lesson: Lesson, number: int) -> None:
    steps = len(lesson.steps)
    st.progress(
        number / steps,
        text=f"{frame.plain(lesson.title)} · step {number} of {steps} · "
        f"about {lesson.minutes} minutes in all",
    )


def _draw_ways(lesson: Lesson, number: int, given: Given) -> None:
    last = number == len(lesson.steps)
    if last:
        _draw_end(lesson, given)
    back, forward = presenting.KEYS[url_state.read().present]
    with st.container(horizontal=True):
        if st.button(
            "Back",
            icon=":material/arrow_back:",
            disabled=number == 1,
            shortcut=back,
            key="learn.back",
        ):
            go(lesson, number - 1)
        if not last and st.button(
            "Next",
            type="primary",
            icon=":material/arrow_forward:",
            shortcut=forward,
            key="learn.next",
        ):
            go(lesson, number + 1)
        if st.button("All lessons", type="tertiary", icon=":material/menu_book:", key="learn.all"):
            url_state.leap()
        presenting.draw_switch()


def _draw_end(lesson: Lesson, given: Given) -> None:
    """Say how much was answered, and offer the file to hand in."""
    asked = sum(step.question is not None for step in lesson.steps)
    if not asked:
        return
    st.caption(
        f"The end of this lesson: {len(given)} of {asked} questions answered. The address of this "
        "page keeps your answers."
    )
    if not given:
        return
    st.download_button(
        "Download your answers",
        partial(_hand_in, lesson, given, sample_store.shown(), url_state.read()),
        f"{lesson.name}.json",
        "application/json",
        icon=":material/download:",
        key="learn.hand_in",
        on_click="ignore",
        help="A file to hand in: name it after yourself if you are asked to.",
    )


def _hand_in(lesson: Lesson, given: Given, folder: Path | None, state: url_state.UrlState) -> bytes:
    """Return the file; it is made later, outside of any session: all is given."""
    with store.reading(folder):
        known = {
            number: facts.facts(view) if (view := lesson.steps[number - 1].view) else {}
            for number in given
        }
    return hand_in.write(lesson, given, known, url_state.written(state))
