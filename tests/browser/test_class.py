"""Lessons and a class in the browser, and a class's load over Streamlit's protocol."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sparsekd.lessons import hand_in, reading
from tests.browser.conftest import SETTLED, Server, serving
from tests.load.class_load import load

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A class's server on the sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_MODE", "class")
        patch.setenv("SPARSEKD_TOKEN", "chalk")
        with serving(tmp_path_factory.mktemp("school"), sample="") as server:
            yield server


def test_a_lesson_is_taken_by_keyboard_alone(school: Server, visit: Visit) -> None:
    page = visit(f"{school.url}/learn?v=1&lesson=luck&step=1")
    assert (
        page.locator(".st-key-learn-seeds").evaluate("part => getComputedStyle(part).outlineStyle")
        == "solid"
    )
    page.locator("input[type=radio]").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=You chose")
    page.keyboard.press("Alt+n")
    page.wait_for_selector("h3:has-text('Five runs')")
    page.wait_for_selector(SETTLED)

    assert "step=2" in page.url and "answers=1%3D" in page.url


def test_the_end_of_a_lesson_hands_the_answers_in(school: Server, visit: Visit) -> None:
    given = "answers=1=nothing;2=1.5;3=0.7;4=better"
    page = visit(f"{school.url}/learn?v=1&lesson=luck&step=4&{given}")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download your answers").click()

    found = hand_in.read(waiting.value.path())
    assert (found.lesson, found.state["step"], found.questions) == ("luck", "4", 4)
    assert [one.answer for one in found.answers] == ["nothing", "1.5", "0.7", "better"]
    assert found.answers[0].right is True


def test_a_class_takes_a_lesson_at_once(school: Server) -> None:
    with ThreadPoolExecutor() as thread:  # this one has Playwright's loop
        found = thread.submit(
            asyncio.run, load(school.url, browsers=6, lesson="luck", rest=0.2)
        ).result()

    assert found.errors == []
    assert len(found.seconds) == 6 * len(reading.find("luck").steps)
