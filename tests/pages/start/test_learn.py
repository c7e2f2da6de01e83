"""The page Learn: every step of every lesson, its question, and the ways between."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from sparsekd.lessons import answers, reading
from sparsekd.lessons.lesson import Question
from sparsekd.lessons.views import Answers

PAGE = "pages/start/learn.py"
Open = Callable[..., AppTest]
STEPS = [
    pytest.param(lesson, number, id=f"{lesson.name}-{number}")
    for lesson in reading.shipped()
    for number in range(1, len(lesson.steps) + 1)
]


@pytest.fixture(autouse=True)
def sample(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARSEKD_SAMPLE")


def some_answer(question: Question) -> str:
    if question.choices:
        return next(iter(question.choices))
    if question.guess is not None:
        return answers.of_numbers([question.guess.low] * max(1, len(question.guess.of)))
    return "-".join(f"1.{head + 1}" for head in range(question.heads))


@pytest.mark.parametrize("lesson, number", STEPS)
def test_a_step_opens_with_its_view_and_what_is_so(
    open_page: Open, lesson: reading.Lesson, number: int
) -> None:
    step = lesson.steps[number - 1]
    given = {number: some_answer(step.question)} if step.question else {}
    page = open_page(PAGE, lesson=lesson.name, step=str(number), answers=answers.write(given))

    assert [error.value for error in page.error] == []
    assert not page.exception
    assert step.title in [heading.value for heading in page.subheader]
    assert "{" not in " ".join(each.value for each in page.markdown)
    if step.view is not None and step.view.look:
        part = step.view.parts[step.view.look]
        assert part in keys(page.main), "what is outlined is not on the page"


def test_a_lesson_is_taken_from_its_first_step_to_its_last_and_back(open_page: Open) -> None:
    """Every way between two steps is pressed once the view, with its widgets, is drawn."""
    lesson = reading.find("teacher-says-more")
    given = {
        n: some_answer(step.question) for n, step in enumerate(lesson.steps, 1) if step.question
    }
    page = open_page(PAGE, lesson=lesson.name, answers=answers.write(given))
    last = len(lesson.steps)
    ways = [("learn.next", number) for number in range(2, last + 1)]
    ways += [("learn.back", number) for number in range(last - 1, 0, -1)]
    for button, number in ways:
        page.button(key=button).click().run()
        assert not page.exception
        assert lesson.steps[number - 1].title in [each.value for each in page.subheader]
        view = lesson.steps[number - 1].view
        if isinstance(view, Answers):
            assert page.slider(key="tryit.temperature").value == view.temperature


def keys(block: Block) -> set[str]:
    """Return the keys of the containers and widgets in a part of a page."""
    found = {str(getattr(block.proto, "id", "")).rpartition("-")[2]}
    for child in block.children.values():
        own = keys(child) if isinstance(child, Block) else set()
        found |= own | {str(getattr(child.proto, "id", "")).rpartition("-")[2]}
    return found
