"""The answers of a class, and what its members hand in."""

import json
from pathlib import Path

import pytest

from sparsekd.errors import BadInput
from sparsekd.lessons import class_answers, hand_in, reading
from sparsekd.lessons.lesson import Question, Range
from tests.lessons.test_reading import LESSON


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_visitor_has_one_answer_for_each_step() -> None:
    for visitor, step, answer in (("a", 1, "x"), ("b", 1, "x"), ("a", 1, "y"), ("a", 2, "z")):
        class_answers.keep(visitor, "luck", step, answer)

    assert sorted(class_answers.of_step("luck", 1)) == ["x", "y"]
    class_answers.clear()
    assert class_answers.of_step("luck", 1) == []


def test_answers_are_counted_in_the_order_of_the_chart() -> None:
    choice = Question(ask="?", choices={"a": "A", "b": "B"}, answer="fact")
    heads = Question(ask="?", heads=2, answer="fact")
    number = Question(ask="?", guess=Range(low=0.5, high=1), answer="fact")

    assert class_answers.counts(choice, ["b", "b"]) == {"A": 0, "B": 2}
    assert class_answers.counts(heads, ["10.1-2.1", "2.1"]) == {"2.1": 2, "10.1": 1}
    bins = class_answers.counts(number, ["0.5", "0.524", "0.525", "1"])
    assert len(bins) == class_answers.BINS
    assert [count for count in bins.values() if count] == [2, 1, 1]
    assert next(iter(bins)) == "0.5 to 0.525"


def test_a_file_that_is_handed_in_is_read_back_as_a_row(tmp_path: Path) -> None:
    lesson = reading.parse(LESSON, "mine")
    facts = {1: {"verdict_trial_student": "inconclusive", "gap_trial_student": -0.9}}
    for name, answer in (("ada", "inconclusive"), ("bob", "better")):
        content = hand_in.write(lesson, {1: answer}, facts, {"lesson": "mine"})  # type: ignore[arg-type]
        (tmp_path / f"{name}.json").write_bytes(content)

    table = hand_in.table([tmp_path / "ada.json", tmp_path / "bob.json"])

    assert list(table["file"]) == ["ada.json", "bob.json"]
    assert list(table["answered"]) == ["1 of 1", "1 of 1"]
    assert list(table["right"]) == ["1 of 1", "0 of 1"]
    assert list(table["step 1"]) == ["inconclusive", "better"]
    assert json.loads((tmp_path / "ada.json").read_text())["state"] == {"lesson": "mine"}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"lesson": 3}', b"\xff"])
def test_what_was_not_handed_in_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)

    with pytest.raises(BadInput, match="cannot be read as handed in"):
        hand_in.read(tmp_path / "x.json")
