"""A class: visitors look and answer, the lecturer alone changes things."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.parts.shell import class_mode
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput
from sparsekd.lessons import class_answers, reading
from sparsekd.runs import (
    answer_files,
    device_checks,
    jobs,
    masks,
    recovery,
    references,
    store,
    uploads,
)
from sparsekd.studies import recipes, stark
from sparsekd.units.masking import Mask
from tests.workshop import task_folder

Open = Callable[..., AppTest]
LEARN = "pages/start/learn.py"
QUESTION = {"lesson": "when-a-teacher-helps", "step": "3"}


@pytest.fixture(autouse=True)
def lessons_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARSEKD_SAMPLE")


@pytest.fixture
def in_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """This server is a class's, with the token "chalk"."""
    monkeypatch.setattr(class_mode, "MODE", class_mode.ClassMode(True, "chalk"))


def test_a_visitor_launches_nothing(in_class: None, open_page: Open) -> None:
    page = open_page()
    page.button(key="demo").click().run()

    assert any("only the lecturer launches" in error.value for error in page.error)
    assert store.plans() == [] and store.queued() == []


def tiny_mask() -> Mask:
    return Mask(np.ones((2, 2), dtype=bool), np.ones((2, 8), dtype=bool))


@pytest.mark.usefixtures("in_class")
def test_no_change_passes_without_a_lecturer(home: Path) -> None:
    """Whatever page, form or message asks for it: these are what changes anything."""
    recipe = recipes.finetune("demo/sentiment", "demo:", TrainParams())
    study, mask = stark.plan(stark.demo()), tiny_mask()
    file = home.parent / "answers.csv"
    file.write_text("text,label\n", encoding="utf-8")
    store.prepare()
    before = sorted(home.rglob("*"))
    for change in (
        lambda: store.create(recipe),
        lambda: store.requeue("abcd"),
        lambda: store.request_cancel("abcd"),
        lambda: store.delete("abcd"),
        lambda: store.save_task("local/x", "{}"),
        lambda: uploads.keep_uploads({"train": ("train.csv", b"text,label\n")}),
        lambda: store.save_plan(study),
        lambda: jobs.submit([recipe]),
        lambda: jobs.submit_plan(study),
        lambda: jobs.detect_devices(),
        lambda: device_checks.start("cpu"),
        lambda: answer_files.keep(file),
        lambda: answer_files.keep_upload("answers.csv", b"text,label\n"),
        lambda: masks.save(mask),
        lambda: masks.from_upload(b""),
        lambda: references.task(str(task_folder(home.parent / "task"))),
        lambda: recovery.recover(),
        lambda: reading.add(reading.SHIPPED / "luck.md"),
    ):
        with pytest.raises(BadInput, match="only the lecturer"):
            change()
    assert sorted(home.rglob("*")) == before


def test_a_visitor_is_not_offered_what_the_lecturer_alone_may_do(
    in_class: None, open_page: Open
) -> None:
    for path in ("teacher/finetune", "teacher/mask", "student/distil", "runs/overview"):
        lecturer = open_page(f"pages/{path}.py", lecturer="chalk")
        visitor = open_page(f"pages/{path}.py")
        offered = len(visitor.button) + len(visitor.get("download_button"))
        assert offered < len(lecturer.button) + len(lecturer.get("download_button")), path
        assert visitor.get("file_uploader") == [], path


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


def test_who_begins_a_class_is_its_lecturer_and_ends_it(
    monkeypatch: pytest.MonkeyPatch, open_page: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(class_mode, "MODE", class_mode.ClassMode(False, "chalk"))
    stale, page = open_page(), open_page()
    page.button(key="class.begin").click().run()

    assert class_mode.MODE.on and page.session_state[class_mode.LECTURER]
    assert any("chalk" in each.value for each in page.markdown)
    assert "?lecturer=chalk" in capsys.readouterr().out
    assert not any("chalk" in each.value for each in open_page().markdown)
    stale.run()  # a page from before says and does nothing
    assert class_mode.MODE.on and "chalk" not in " ".join(each.value for each in stale.markdown)

    page.button(key="class.end").click().run()
    assert not class_mode.MODE.on


def test_a_server_that_was_started_as_a_class_stays_one(in_class: None, open_page: Open) -> None:
    page = open_page(lecturer="chalk")

    assert "class.end" not in [button.key for button in page.button]
    assert class_mode.MODE.on


def test_another_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSEKD_MODE", "Class")
    with pytest.raises(BadInput, match="no SPARSEKD_MODE 'Class'"):
        class_mode.ClassMode()


def test_answers_of_two_visitors_stand_in_the_lecturers_chart(
    in_class: None, open_page: Open
) -> None:
    for choice in ("better", "worse"):
        page = open_page(LEARN, **QUESTION)
        page.radio(key="learn.answer.3").set_value(choice)
        next(button for button in page.button if button.label == "Answer").click().run()
        assert page.query_params["answers"] == f"3={choice}"

    assert sorted(class_answers.of_step("when-a-teacher-helps", 3)) == ["better", "worse"]
    st.cache_data.clear()
    seen = open_page(LEARN, lecturer="chalk", **QUESTION)
    assert any("**The class**: 2 answered" in each.value for each in seen.markdown)
    before = open_page(LEARN, **QUESTION)
    assert not any("The class" in each.value for each in before.markdown)


def test_outside_of_a_class_no_answer_is_kept(open_page: Open) -> None:
    page = open_page(LEARN, **QUESTION)
    page.radio(key="learn.answer.3").set_value("better")
    next(button for button in page.button if button.label == "Answer").click().run()

    assert class_answers.of_step("when-a-teacher-helps", 3) == []
