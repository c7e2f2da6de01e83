"""Learn: lessons of a few minutes, on real runs: look, guess, then see."""

from pages.parts.learn import lesson_list, presenting, step_view
from pages.parts.shell import frame, sample_store, url_state
from sparsekd.lessons import reading
from sparsekd.runs import store

QUESTION = "What does a student learn from its teacher, and when does it help?"


def draw_page() -> None:
    """Draw the lesson of the address bar, or the list of all."""
    name = url_state.read().lesson
    lesson = reading.find(name) if name else None
    own = lesson is not None and lesson.data == "own"
    if not own:
        sample_store.show()
    presenting.enlarge()
    if not url_state.read().present:
        frame.draw_header("Learn", QUESTION)
    with store.reading(sample_store.shown()):
        if lesson is None:
            lesson_list.draw_list()
        else:
            step_view.draw_lesson(lesson)


with frame.error_boundary():
    draw_page()
