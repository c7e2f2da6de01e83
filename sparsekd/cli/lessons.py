"""The command `lessons`: the lessons of the page Learn, and a lesson file of one's own."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from sparsekd.cli.options import Option, Request
from sparsekd.cli.output import note, output, table_text
from sparsekd.errors import NotFound, SparseKDError
from sparsekd.lessons import checking, hand_in, reading
from sparsekd.lessons.lesson import Lesson
from sparsekd.runs import sample, store


class LessonsRequest(Request):
    """A lesson file, or none."""

    file: Annotated[str, Option("<file>", {"nargs": "?"})] = Field(
        "", description="a lesson file, to be checked and opened; none lists all lessons"
    )
    hand_ins: Annotated[tuple[Path, ...], Option(arguments={"nargs": "+"})] = Field(
        (), description="files that students handed in, to be read as a table"
    )


def lessons(request: LessonsRequest) -> None:
    """List lessons; check one and put it where Learn shows it; or read what was handed in.

    Raises:
        SparseKDError: the file is no lesson, or names what is not there.
    """
    if request.hand_ins:
        table = hand_in.table(request.hand_ins)
        output(request, table.to_dict("records"), table_text(table, "{:g}"))
        return
    if not request.file:
        _list(request)
        return
    path = Path(request.file)
    _check(reading.read(path))
    added = reading.add(path)
    link = f"/learn?v=1&lesson={added.name}"
    facts = {"name": added.name, "steps": len(added.steps), "link": link}
    output(request, facts, f"{added.title}: {len(added.steps)} steps. Open {link}")


def _check(lesson: Lesson) -> None:
    """Check a lesson against the runs that it shows."""
    if lesson.data == "own":
        checking.check(lesson)
        return
    if not sample.is_there():
        raise NotFound("There is no sample study here.", "Unset SPARSEKD_SAMPLE.")
    with store.reading(sample.unpack()):
        checking.check(lesson)


def _list(request: LessonsRequest) -> None:
    found = {lesson.name: lesson for lesson in reading.shipped()}
    for name, own in reading.own().items():
        if isinstance(own, SparseKDError):
            note(f"{name}: {own}")
        else:
            found[name] = own
    rows = [
        {"name": name, "title": each.title, "minutes": each.minutes, "steps": len(each.steps)}
        for name, each in found.items()
    ]
    words = [f"{row['name']}: {row['title']}, {row['minutes']} minutes" for row in rows]
    output(request, rows, "\n".join(words))
