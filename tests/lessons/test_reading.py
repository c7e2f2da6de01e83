"""Lesson files: what is read of them, and what is said of a broken one."""

from pathlib import Path

import pytest

from sparsekd.errors import BadInput, NotFound
from sparsekd.lessons import reading

LESSON = """---
title: Is it better?
minutes: 5
---

## First look

Two students.

```view
show: verdict
seeds: 3
look: seeds
```

More of the text.

```question
ask: Is it?
choices:
  better: yes
  inconclusive: no
answer: verdict_trial_student
```

By {gap_trial_student:.1f} points.

## The end

Only text.
"""


def test_a_step_has_text_view_question_and_what_is_read_after_the_answer() -> None:
    lesson = reading.parse(LESSON, "mine")
    first, last = lesson.steps

    assert (lesson.name, lesson.title, lesson.minutes) == ("mine", "Is it better?", 5)
    assert first.text == "Two students.\n\n\n\nMore of the text."
    assert first.view is not None and first.view.model_dump()["seeds"] == 3
    assert first.question is not None
    assert first.question.choices == {"better": "yes", "inconclusive": "no"}  # words, no booleans
    assert first.reveal == "By {gap_trial_student:.1f} points."
    assert (last.title, last.text, last.view, last.question) == (
        "The end",
        "Only text.",
        None,
        None,
    )


@pytest.mark.parametrize(
    "change, words",
    [
        (("---\ntitle", "title"), "no front matter"),
        (("minutes: 5", "minutes: many"), "minutes: Input should be a valid integer"),
        (("minutes: 5", "colour: red\nminutes: 5"), "there is no colour"),
        (("## First look", "First look"), "text before its first step"),
        (("show: verdict", "show: verdit"), "there is no view 'verdit'; known: 'answers'"),
        (("minutes: 5\n", ""), "minutes is missing"),
        (("seeds: 3", "seeds: [3"), "step 1, view: this is no YAML"),
        (("seeds: 3", "seeds: 0"), "seeds: Input should be greater than or equal to 1"),
        (("```view", "```chart"), "there is no block 'chart'"),
        (("answer: verdict", "right: verdict"), "is none of its choices"),
        (("  better: yes", "  very good: yes"), "'very good' is no name of a choice"),
        (("choices:", "heads: 2\nchoices:"), "one of choices, guess and heads"),
        (("Only text.", "```view\nshow: verdict"), "step 2: a block is not closed"),
        (("inconclusive: no", "inconclusive: yes"), "two choices have the same text"),
        (("choices:\n  better: yes\n  inconclusive: no", "guess: {low: 1, high: 1}"), "not below"),
        (("choices:\n  better: yes\n  inconclusive: no", "guess: {low: 0, high: inf}"), "high"),
    ],
)
def test_a_broken_lesson_is_refused_with_its_place(change: tuple[str, str], words: str) -> None:
    text = LESSON.replace(*change)
    assert text != LESSON

    with pytest.raises(BadInput, match=words.replace("[", r"\[")):
        reading.parse(text, "mine")


def test_a_lesson_is_added_beside_the_runs_and_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    path = tmp_path / "mine.md"
    path.write_text(LESSON, encoding="utf-8")

    reading.add(path)

    assert reading.find("mine") == reading.read(path)
    assert list(reading.own()) == ["mine"]


@pytest.mark.parametrize("name", ["../mine", "/etc/passwd", "a/b", "", "mine.md"])
def test_a_name_never_leads_out_of_the_folders(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "lessons").mkdir(parents=True)
    (tmp_path / "home" / "mine.md").write_text(LESSON, encoding="utf-8")

    with pytest.raises(NotFound, match="There is no lesson"):
        reading.find(name)


def test_a_lesson_of_this_program_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "luck.md"
    path.write_text(LESSON, encoding="utf-8")

    with pytest.raises(BadInput, match="name of a lesson of this program"):
        reading.add(path)


def test_a_file_that_changes_is_read_again_and_a_mark_at_its_start_is_no_text(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.md"
    path.write_bytes(b"\xef\xbb\xbf" + LESSON.replace("\n", "\r\n").encode())
    assert reading.read(path) == reading.parse(LESSON, "mine")

    path.write_text(LESSON.replace("Is it better?", "Another title"), encoding="utf-8")
    assert reading.read(path).title == "Another title"


def test_what_is_no_file_is_listed_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    (tmp_path / "lessons" / "folder.md").mkdir(parents=True)

    assert isinstance(reading.own()["folder"], NotFound)


def test_files_that_are_no_lessons_are_refused(tmp_path: Path) -> None:
    (tmp_path / "two words.md").write_text(LESSON, encoding="utf-8")
    (tmp_path / "latin.md").write_bytes("---\ntitle: é".encode("latin-1"))
    (tmp_path / "large.md").write_text(LESSON + " " * reading.MOST, encoding="utf-8")

    for name, words in (
        ("two words.md", "no name for a lesson"),
        ("latin.md", "not text in UTF-8"),
        ("large.md", "larger than"),
    ):
        with pytest.raises(BadInput, match=words):
            reading.read(tmp_path / name)
