"""A lesson's text with its facts, and whether all that it names is there."""

import re

from sparsekd.errors import BadInput, NotFound
from sparsekd.lessons.facts import Fact, Facts, facts
from sparsekd.lessons.lesson import Lesson, Question, Step
from sparsekd.lessons.views import Ablation, Labels, Pad, Scores

_PLACE = re.compile(r"\{\{|\}\}|\{(\w+)(:[^{}]*)?\}")
_FORM = re.compile(r"\+?,?(\.\d)?[fdeg%]?")


def filled(text: str, known: Facts) -> str:
    """Return a text with its facts: "{dense_100:.3f}" becomes "0.817"; "{{" is a brace.

    Raises:
        BadInput: a fact that the view does not have, or one that is not formatted so.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0][0]
        fact, form = _fact(found[1], known), (found[2] or ":")[1:]
        try:
            if not _FORM.fullmatch(form):
                raise ValueError(f"{form!r} is no format of a number")
            return ", ".join(_formatted(each, form) for each in _several(fact))
        except ValueError as error:
            raise BadInput(f"{found[0]}: {error}.", "Numbers are written {name:.3f}.") from error

    return _PLACE.sub(value, text)


def _formatted(value: float | str, form: str) -> str:
    """Return a value as a format says; a number with the sign of arithmetic, not a hyphen."""
    text = format(value, form)
    return text if isinstance(value, str) else text.replace("-", "−")


def _several(fact: Fact) -> list[float] | list[str]:
    if isinstance(fact, list):
        return fact
    return [fact]  # type: ignore[return-value]


def _fact(name: str, known: Facts) -> Fact:
    if name not in known:
        has = f"It has: {', '.join(sorted(known)) or 'none'}."
        raise BadInput(f"The view has no fact {name!r}.", has)
    return known[name]


def texts(step: Step) -> list[str]:
    """Return every text of a step in which facts may stand."""
    question = step.question
    asked = [] if question is None else [question.ask, *question.choices.values()]
    return [step.text, *asked, step.reveal]


def filled_question(question: Question, known: Facts) -> Question:
    """Return a question with its facts.

    Raises:
        BadInput: see `filled`.
    """
    choices = {name: filled(text, known) for name, text in question.choices.items()}
    return question.model_copy(update={"ask": filled(question.ask, known), "choices": choices})


def check(lesson: Lesson) -> None:
    """Check every step of a lesson against the runs in the store that is read.

    Raises:
        BadInput: a study, model, fact, answer or part of a view that is not there, and in which
            step.
    """
    for number, step in enumerate(lesson.steps, 1):
        try:
            _check_step(step)
        except (BadInput, NotFound) as error:
            where = f"In lesson {lesson.name}, step {number} ({step.title}): "
            raise BadInput(where + error.message, error.hint) from error


def _check_step(step: Step) -> None:
    known = {} if step.view is None else facts(step.view)
    if step.view is not None and step.view.look not in {"", *step.view.parts}:
        parts = f"It has: {', '.join(step.view.parts)}."
        raise BadInput(f"The view has no part {step.view.look!r}.", parts)
    for text in texts(step):
        filled(text, known)
    if isinstance(step.view, Labels):
        unknown = [kind for kind in step.view.only if f"{kind}_curve" not in known]
        if unknown:
            has = ", ".join(name.removesuffix("_curve") for name in known if "_curve" in name)
            raise BadInput(f"There is no student {unknown[0]!r}.", f"There are: {has}.")
    if step.question is not None:
        if step.question.heads and not isinstance(step.view, Scores | Pad | Ablation):
            raise BadInput("Heads are guessed beside a view of heads.", "Show scores.")
        _check_answer(step.question, known)


def _check_answer(question: Question, known: Facts) -> None:
    """Check that the answer is of the question's kind."""
    if question.right:
        return
    answer = _fact(question.answer, known)
    if question.choices and answer not in question.choices:
        raise BadInput(f"The answer is {answer!r}, which is no choice.", "Add it to the choices.")
    if question.guess is not None:
        numbers = answer if isinstance(answer, list) else [answer]
        if any(isinstance(each, str) for each in numbers):
            raise BadInput(f"{question.answer} is no number.", "Ask with choices.")
        if len(numbers) != question.guess.count:
            wanted = f"Name {len(numbers)} under of."
            raise BadInput(f"{question.answer} has {len(numbers)} numbers.", wanted)
        low, high = question.guess.low, question.guess.high
        if not all(low <= float(each) <= high for each in numbers):
            raise BadInput(f"{question.answer} is not within {low:g} and {high:g}.", "Widen them.")
    if question.heads and not isinstance(answer, list):
        raise BadInput(f"{question.answer} is no list of heads.", "Ask with choices.")
    if question.heads and isinstance(answer, list) and len(answer) != question.heads:
        raise BadInput(f"{question.answer} has {len(answer)} heads.", f"heads: {len(answer)}")
