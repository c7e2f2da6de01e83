"""Lesson files: those that ship with this program, and those in a folder beside the runs."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from sparsekd.errors import BadInput, NotFound, SparseKDError, unknown
from sparsekd.lessons.lesson import Lesson, Step
from sparsekd.runs import permission, store
from sparsekd.system.files import disk_error

SHIPPED = Path(__file__).parent / "shipped"
MOST = 200_000  # bytes of a lesson
NAME = re.compile(r"[\w-]{1,60}")
_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*\n", re.DOTALL)
_STEP = re.compile(r"^## +(.+)$", re.MULTILINE)
P = TypeVar("P", Lesson, Step)
_BLOCK = re.compile(r"^```(\w+) *\n(.*?)^``` *$", re.DOTALL | re.MULTILINE)


def own_folder() -> Path:
    """Return the folder of one's own lessons, which may not exist yet."""
    return store.own_home() / "lessons"


def shipped() -> list[Lesson]:
    """Return the lessons of this program, in their order."""
    return sorted(map(read, SHIPPED.glob("*.md")), key=lambda lesson: (lesson.order, lesson.name))


def own() -> dict[str, Lesson | SparseKDError]:
    """Return one's own lessons by name; of a file that is no lesson, the error."""
    found: dict[str, Lesson | SparseKDError] = {}
    for path in sorted(own_folder().glob("*.md")):
        try:
            found[path.stem] = read(path)
        except SparseKDError as error:
            found[path.stem] = error
    return found


def find(name: str) -> Lesson:
    """Return a lesson by its name: one's own, else one of this program.

    Raises:
        NotFound: there is none of this name; BadInput: its file is no lesson.
    """
    if NAME.fullmatch(name):
        for folder in (own_folder(), SHIPPED):
            path = folder / f"{name}.md"
            if path.is_file():
                return read(path)
    names = [path.stem for folder in (own_folder(), SHIPPED) for path in folder.glob("*.md")]
    raise unknown("lesson", name, names)


def add(path: Path) -> Lesson:
    """Copy a lesson file into the folder of one's own, and return the lesson.

    Raises:
        NotFound: there is no such file; BadInput: it is no lesson, its name is that of a lesson of
            this program, or not of letters, digits, - and _; Unavailable: the folder cannot be
            written.
    """
    permission.check()
    lesson = read(path)
    if (SHIPPED / f"{lesson.name}.md").exists():
        words = f"{lesson.name} is the name of a lesson of this program."
        raise BadInput(words, "Rename the file.")
    folder = own_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{lesson.name}.md"
        if target.resolve() != path.resolve():
            target.write_bytes(path.read_bytes())
    except OSError as error:
        raise disk_error(folder, error) from error
    return lesson


def read(path: Path) -> Lesson:
    """Read a lesson file.

    Raises:
        NotFound: there is no such file; BadInput: what is wrong with it, and in which step.
    """
    if not path.is_file():
        raise NotFound(f"There is no lesson file {path}.", "Name a Markdown file.")
    if not NAME.fullmatch(path.stem) or path.suffix != ".md":
        raise BadInput(
            f"{path.name} is no name for a lesson.",
            "Use letters, digits, - and _, and the ending .md.",
        )
    if path.stat().st_size > MOST:
        raise BadInput(f"{path.name} is larger than {MOST:,} bytes.", "Split it into lessons.")
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except UnicodeDecodeError as error:
        raise BadInput(f"{path.name} is not text in UTF-8.", "Save it as UTF-8.") from error
    except OSError as error:
        raise disk_error(path, error) from error


@lru_cache(maxsize=128)
def _read(path: Path, changed: int, size: int) -> Lesson:
    """Read a file as it was at this time."""
    return parse(path.read_text(encoding="utf-8-sig"), path.stem)


def parse(text: str, name: str) -> Lesson:
    """Return the lesson of a file's text.

    Raises:
        BadInput: what is wrong, and in which step.
    """
    front = _FRONT.match(text)
    if front is None:
        raise BadInput(
            f"Lesson {name} has no front matter.",
            "Begin with a line ---, title: and minutes:, and another line ---.",
        )
    body = text[front.end() :]
    titles = list(_STEP.finditer(body))
    if not titles:
        raise BadInput(f"Lesson {name} has no step.", "Begin each step with a line: ## Its title")
    if body[: titles[0].start()].strip():
        raise BadInput(
            f"Lesson {name} has text before its first step.", "Put it below a line: ## Its title"
        )
    ends = [*(each.start() for each in titles[1:]), len(body)]
    steps = tuple(
        _step(each[1].strip(), body[each.end() : end], f"lesson {name}, step {number}")
        for number, (each, end) in enumerate(zip(titles, ends, strict=True), 1)
    )
    values = _mapping(front[1], f"lesson {name}, front matter")
    return _checked(Lesson, values | {"name": name, "steps": steps}, f"lesson {name}")


def _step(title: str, body: str, where: str) -> Step:
    """Return a step: text, at most one view and one question, and the text after the question."""
    values: dict[str, Any] = {"title": title}
    place, before, after = 0, "", ""
    for block in _BLOCK.finditer(body):
        kind = block[1]
        if kind not in ("view", "question"):
            raise BadInput(f"In {where}: there is no block {kind!r}.", "Known: view, question.")
        if kind in values:
            raise BadInput(f"In {where}: a second {kind}.", "Make it a step of its own.")
        before += body[place : block.start()] if "question" not in values else ""
        after += body[place : block.start()] if "question" in values else ""
        values[kind] = _mapping(block[2], f"{where}, {kind}")
        place = block.end()
    rest = body[place:]
    if "```" in rest:
        raise BadInput(f"In {where}: a block is not closed.", "End it with a line ```.")
    if "question" in values:
        after += rest
    else:
        before += rest
    return _checked(Step, values | {"text": before.strip(), "reveal": after.strip()}, where)


def _mapping(text: str, where: str) -> dict[str, Any]:
    """Return what a YAML text maps; every value is text, so that "yes" stays a word."""
    try:
        values = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        words = str(error).split("\n")[0]
        raise BadInput(f"In {where}: this is no YAML ({words}).", "Write lines: name: value") from (
            error
        )
    if not isinstance(values, dict):
        raise BadInput(f"In {where}: there are no lines name: value.", "Write some.")
    return values


def _checked(kind: type[P], values: dict[str, Any], where: str) -> P:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        words = "; ".join(_in_words(each) for each in error.errors(include_url=False)[:5])
        hint = f"Compare it with a shipped one, as in {SHIPPED}."
        raise BadInput(f"In {where}: {words}.", hint) from error


def _in_words(error: Any) -> str:
    """Return what pydantic found wrong, in the words of a lesson."""
    place = ".".join(str(part) for part in error["loc"]) or "it"
    if error["type"] == "union_tag_invalid":
        context = error["ctx"]
        return f"there is no view {context['tag']!r}; known: {context['expected_tags']}"
    if error["type"] == "missing":
        return f"{place} is missing"
    if error["type"] == "extra_forbidden":
        return f"there is no {place}"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"
