"""A lesson and its parts."""

import re
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sparsekd.lessons.views import AnyView


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Part):
    """The ends of a guessed number, and a name for each number where several are guessed."""

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False, le=1e6)
    of: tuple[str, ...] = Field((), max_length=12)

    @property
    def count(self) -> int:
        """Return how many numbers are guessed."""
        return max(1, len(self.of))

    @property
    def step(self) -> float:
        """Return the distance of two numbers that can be guessed."""
        return (self.high - self.low) / 100

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        if not 0 <= self.low < self.high:
            raise ValueError(f"low {self.low:g} is negative or not below high {self.high:g}")
        return self


class Question(_Part):
    """A question: a choice, a guess of numbers, or a guess of heads.

    `answer` names the fact of the view that answers it; `right` is a choice that is right whatever
    the view shows.
    """

    ask: str
    choices: dict[str, str] = Field({}, max_length=8)
    guess: Range | None = None
    heads: int = Field(0, ge=0, le=16)
    answer: str = ""
    right: str = ""

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        kinds = [bool(self.choices), self.guess is not None, self.heads > 0]
        if sum(kinds) != 1:
            raise ValueError("a question has one of choices, guess and heads")
        if bool(self.answer) == bool(self.right):
            raise ValueError("a question has one of answer (a fact) and right (a choice)")
        unusual = [name for name in self.choices if not re.fullmatch(r"\w{1,40}", name)]
        if unusual:
            raise ValueError(f"{unusual[0]!r} is no name of a choice: letters, digits and _")
        if len(set(self.choices.values())) < len(self.choices):
            raise ValueError("two choices have the same text")
        if self.right and self.right not in self.choices:
            raise ValueError(f"right: {self.right!r} is none of its choices")
        return self


class Step(_Part):
    """One step: a title, a text, a view, a question, and what is read after the answer."""

    title: str
    text: str = ""
    view: AnyView | None = None
    question: Question | None = None
    reveal: str = ""


class Front(_Part):
    """The front matter of a lesson. `data` is whose runs it shows: the sample's, or one's own."""

    title: str
    summary: str = ""
    minutes: int = Field(ge=1, le=90)
    order: int = 100
    data: str = Field("sample", pattern="^(sample|own)$")


class Lesson(Front):
    """A lesson: its front matter and its steps; `name` is that of its file."""

    name: str
    steps: tuple[Step, ...] = Field(min_length=1, max_length=40)
