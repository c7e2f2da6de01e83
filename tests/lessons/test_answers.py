"""Answers as a text of the address bar, and beside what is so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsekd.lessons import answers
from sparsekd.lessons.lesson import Question, Range

CHOICE = Question(ask="?", choices={"a": "A.", "b": "B."}, answer="fact")
CURVE = Question(ask="?", guess=Range(low=0, high=1, of=("x", "y")), answer="fact")
HEADS = Question(ask="?", heads=3, answer="fact")


@given(st.dictionaries(st.integers(1, 200), st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True)))
def test_answers_survive_the_address_bar(given_answers: dict[int, str]) -> None:
    assert answers.read(answers.write(given_answers)) == given_answers


@pytest.mark.parametrize("text", ["", "x", "1=", "=a", "1=<b>", "a=1", "1234=a"])
def test_what_is_no_answer_is_left_out(text: str) -> None:
    assert answers.read(text) == {}
    assert answers.read(f"{text};2=b") == {2: "b"}


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=12))
def test_guessed_numbers_are_read_back(values: list[float]) -> None:
    found = answers.numbers(answers.of_numbers(values))
    assert found == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize(
    "question, answer, known",
    [
        (CHOICE, "a", True),
        (CHOICE, "c", False),
        (CURVE, "0.5-0.7", True),
        (CURVE, "0.5", False),
        (CURVE, "1e3-2", False),
        (HEADS, "1.2-3.4-3.3", True),
        (HEADS, "1.2-3.4", False),
        (HEADS, "1.1-1.2-1.3-1.4", False),
        (HEADS, "1", False),
    ],
)
def test_an_edited_address_gives_no_answer_of_another_kind(
    question: Question, answer: str, known: bool
) -> None:
    assert answers.is_answer(question, answer) is known


def test_a_choice_is_right_or_not() -> None:
    assert answers.outcome(CHOICE, "a", "a").right is True
    wrong = answers.outcome(CHOICE, "a", "b")
    assert (wrong.right, wrong.words) == (False, "You chose: “A.” What is so: “B.”")


def test_a_guess_is_near_or_far() -> None:
    one = Question(ask="?", guess=Range(low=0, high=1), answer="fact")
    assert answers.outcome(one, "0.5", 0.8174).words == "You guessed 0.5; it is 0.817."
    curve = answers.outcome(CURVE, "0.5-0.7", [0.6, 0.4])
    assert (curve.right, curve.words) == (None, "Your curve is off by 0.200 on average.")


def test_heads_are_counted() -> None:
    found = answers.outcome(HEADS, "1.1-2.2-3.3", ["3.3", "4.4"])
    assert found.words.startswith("1 of your 3 heads is among those 2: 3.3, 4.4")
