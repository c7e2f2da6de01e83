"""The file that a student hands in: answers, what is so, the page's address, the date."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from sparsekd.errors import BadInput
from sparsekd.lessons import answers
from sparsekd.lessons.answers import Given
from sparsekd.lessons.checking import filled_question
from sparsekd.lessons.facts import Facts
from sparsekd.lessons.lesson import Lesson

MOST = 1_000_000  # bytes of a file


class Answered(BaseModel):
    """One step: its question, the answer, how it compares, and whether it is right, if it can."""

    model_config = ConfigDict(extra="forbid")
    step: int
    question: str
    answer: str
    outcome: str
    right: bool | None


class HandIn(BaseModel):
    """A lesson's answers; `state` has the query parameters of the page's address."""

    model_config = ConfigDict(extra="forbid")
    lesson: str
    title: str
    date: datetime
    state: dict[str, str]
    questions: int
    answers: list[Answered]


def write(lesson: Lesson, given: Given, facts: dict[int, Facts], state: dict[str, str]) -> bytes:
    """Return the file of a lesson's answers.

    Args:
        facts: Those of each answered step's view, by the step's number.
        state: The query parameters of the page's address.
    """
    rows = []
    for number, answer in sorted(given.items()):
        question = lesson.steps[number - 1].question
        if question is None:
            continue
        known = facts[number]
        asked = filled_question(question, known)
        truth = asked.right or known[asked.answer]
        found = answers.outcome(asked, answer, truth)
        rows.append(
            Answered(
                step=number,
                question=asked.ask,
                answer=answer,
                outcome=found.words,
                right=found.right,
            )
        )
    made = HandIn(
        lesson=lesson.name,
        title=lesson.title,
        date=datetime.now(UTC).replace(microsecond=0),
        state=state,
        questions=sum(step.question is not None for step in lesson.steps),
        answers=rows,
    )
    return json.dumps(made.model_dump(mode="json"), indent=1, ensure_ascii=False).encode()


def read(path: Path) -> HandIn:
    """Read a file that was handed in.

    Raises:
        BadInput: it is none.
    """
    hint = "Ask for the file that the end of a lesson offers."
    try:
        if path.stat().st_size > MOST:
            raise BadInput(f"{path} is larger than {MOST:,} bytes.", hint)
        return HandIn.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is no such file"
        raise BadInput(f"{path} cannot be read as handed in: {words}.", hint) from error


def table(paths: Iterable[Path]) -> pd.DataFrame:
    """Return one row per file: its name, lesson, date, answered, right, and every answer.

    Raises:
        BadInput: see `read`.
    """
    rows: list[dict[str, Any]] = []
    for path in paths:
        found = read(path)
        rated = [one.right for one in found.answers if one.right is not None]
        rows.append(
            {
                "file": path.name,
                "lesson": found.lesson,
                "date": found.date.isoformat(),
                "answered": f"{len(found.answers)} of {found.questions}",
                "right": f"{sum(rated)} of {len(rated)}",
            }
            | {f"step {one.step}": one.answer for one in found.answers}
        )
    return pd.DataFrame(rows)
