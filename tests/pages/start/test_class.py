"""A class: visitors look and answer, the lecturer alone changes things."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.shell import class_mode
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput
from sparsekd.lessons import class_answers, reading
from sparsekd.runs import permission, store, uploads
from sparsekd.studies import recipes

Open = Callable[..., AppTest]
LEARN = "pages/start/learn.py"
QUESTION = {"lesson": "when-a-teacher-helps", "step": "3"}


@pytest.fixture(autouse=True)
def lessons_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARSEKD_SAMPLE")


@pytest.fixture
def in_class(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This server is a class's, with the token "chalk"."""
    monkeypatch.setattr(class_mode, "MODE", class_mode.ClassMode(True, "chalk"))
    monkeypatch.setattr(permission, "_checks", [])
    class_mode.begin()
    yield


def test_a_visitor_launches_nothing(in_class: None, open_page: Open) -> None:
    page = open_page()
    page.button(key="demo").click().run()

    assert any("only the lecturer launches" in error.value for error in page.error)
    assert store.plans() == [] and store.queued() == []


@pytest.mark.usefixtures("in_class")
def test_no_change_passes_without_a_lecturer(home: Path) -> None:
    """Whatever page, form or message asks for it: these are what changes anything."""
    recipe = recipes.finetune("demo/sentiment", "demo:", TrainParams())
    for change in (
        lambda: store.create(recipe),
        lambda: store.requeue("abcd"),
        lambda: store.request_cancel("abcd"),
        lambda: store.delete("abcd"),
        lambda: store.save_task("local/x", "{}"),
        lambda: uploads.keep_uploads({"train": ("train.csv", b"text,label\n")}),
        lambda: reading.add(reading.SHIPPED / "luck.md"),
    ):
        with pytest.raises(BadInput, match="only the lecturer"):
            change()
    assert not (home / "lessons").exists() and not (home / "uploads").exists()


def test_the_lecturer_signs_in_by_the_address_or_on_home(in_class: None, open_page: Open) -> None:
    page = open_page(lecturer="chalk")
    assert "lecturer" not in page.query_params
    page.button(key="demo").click().run()
    assert len(store.plans()) == 1

    other = open_page(lecturer="wrong")
    assert other.text_input[0].label == "Lecturer's token"
    other.text_input[0].set_value("chalk")
    next(button for button in other.button if button.label == "Sign in").click().run()
    assert other.session_state[class_mode.LECTURER] is True


def test_who_switches_the_class_on_is_its_lecturer(
    monkeypatch: pytest.MonkeyPatch, open_page: Open
) -> None:
    monkeypatch.setattr(class_mode, "MODE", class_mode.ClassMode(False, "chalk"))
    page = open_page()
    page.toggle(key="class.on").set_value(True).run()

    assert class_mode.MODE.on and page.session_state[class_mode.LECTURER]
    assert any("chalk" in each.value for each in page.markdown)
    assert not any("chalk" in each.value for each in open_page().markdown)


def test_answers_of_two_visitors_stand_in_the_lecturers_chart(
    in_class: None, open_page: Open
) -> None:
    for choice in ("better", "worse"):
        page = open_page(LEARN, **QUESTION)
        page.radio(key="learn.answer.3").set_value(choice)
        next(button for button in page.button if button.label == "Answer").click().run()
        assert page.query_params["answers"] == f"3={choice}"

    assert sorted(class_answers.of_step("when-a-teacher-helps", 3)) == ["better", "worse"]
    seen = open_page(LEARN, lecturer="chalk", **QUESTION)
    assert any("**The class**: 2 answered" in each.value for each in seen.markdown)
    before = open_page(LEARN, **QUESTION)
    assert not any("The class" in each.value for each in before.markdown)


def test_outside_of_a_class_no_answer_is_kept(open_page: Open) -> None:
    page = open_page(LEARN, **QUESTION)
    page.radio(key="learn.answer.3").set_value("better")
    next(button for button in page.button if button.label == "Answer").click().run()

    assert class_answers.of_step("when-a-teacher-helps", 3) == []
