"""What a visitor answered: as a text of the address bar, and beside what the view shows.

A choice is its name, a guess its numbers, heads are "layer.head" from 1; several with dashes
between, and the step's number before: "2=better;4=0.8;5=3.3-4.1".
"""

import re
from dataclasses import dataclass

from sparsekd.lessons.facts import Fact
from sparsekd.lessons.lesson import Question

Given = dict[int, str]
"""Answers by the number of their step, from 1."""
_ONE = re.compile(r"(\d{1,3})=([\w.-]{1,200})")


def read(text: str) -> Given:
    """Return the answers in a text; what is none is left out."""
    found = (_ONE.fullmatch(part) for part in text.split(";"))
    return {int(one[1]): one[2] for one in found if one}


def write(given: Given) -> str:
    """Return the answers as a text."""
    return ";".join(f"{step}={answer}" for step, answer in sorted(given.items()))


def of_numbers(values: list[float]) -> str:
    """Return guessed numbers, none below 0, as an answer."""
    return "-".join(f"{value:.4f}".rstrip("0").rstrip(".") for value in values)


def numbers(answer: str) -> list[float]:
    """Return the guessed numbers of an answer."""
    return [float(part) for part in answer.split("-")]


@dataclass(frozen=True)
class Outcome:
    """An answer beside what is so; `right` is None where it is near or far, not right or wrong."""

    right: bool | None
    words: str


def is_answer(question: Question, answer: str) -> bool:
    """Return whether a text is an answer to a question: an address may have been edited."""
    if question.choices:
        return answer in question.choices
    parts = answer.split("-")
    if question.guess is not None:
        return len(parts) == question.guess.count and all(
            re.fullmatch(r"\d+(\.\d+)?", part) for part in parts
        )
    return len(parts) == question.heads and all(
        re.fullmatch(r"\d{1,3}\.\d{1,3}", part) for part in parts
    )


def outcome(question: Question, answer: str, truth: Fact) -> Outcome:
    """Return how an answer compares with the truth: a choice, number, numbers or heads."""
    if question.choices:
        right = answer == truth
        words = f"You chose: “{question.choices[answer]}”"
        if not right:
            words += f" What is so: “{question.choices[str(truth)]}”"
        return Outcome(right, words)
    if question.heads:
        mine, those = answer.split("-"), truth if isinstance(truth, list) else [str(truth)]
        both = [name for name in mine if name in those]
        return Outcome(
            None,
            f"{len(both)} of your {len(mine)} heads {'is' if len(both) == 1 else 'are'} among "
            f"those {len(those)}: {', '.join(map(str, those))} (layer.head).",
        )
    guessed, measured = numbers(answer), truth if isinstance(truth, list) else [truth]
    pairs = [(mine, float(value)) for mine, value in zip(guessed, measured, strict=True)]
    if len(pairs) == 1:
        return Outcome(None, f"You guessed {pairs[0][0]:g}; it is {pairs[0][1]:.3g}.")
    apart = sum(abs(mine - value) for mine, value in pairs) / len(pairs)
    return Outcome(None, f"Your curve is off by {apart:.3f} on average.")
