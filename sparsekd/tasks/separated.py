"""Rows of csv and tsv files: how their columns are separated and quoted."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, NamedTuple

from sparsekd.errors import BadInput

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
FIELD_LIMIT = 1 << 24
BEGINNING = 1000  # lines
DECLARED = re.compile(r'"?sep=(\\t|[^"\s\w]|\t)"?\s*', re.IGNORECASE)
Kind = Literal["csv", "tsv"]
Lines = Callable[[], Iterable[str]]
"""Returns the lines of a file from its beginning, each with its end."""


@dataclass(frozen=True)
class Layout:
    """How the columns of a file are separated.

    Without `quoted`, quotation marks are text. With `blanks`, blanks that follow a delimiter are
    left out. With `escaped`, a backslash stands before quotation marks that are text. The header
    follows `begin` lines; `notes` say what was inferred.
    """

    delimiter: str
    quoted: bool
    blanks: bool = False
    escaped: bool = False
    begin: int = 0
    notes: tuple[str, ...] = ()


class Row(NamedTuple):
    """The fields of a row, and its first and last line, counted from 1."""

    first: int
    last: int
    fields: list[str]


class Broken(BadInput):
    """A row that does not follow the layout of its file."""


def lines_of(text: str) -> Iterable[str]:
    """Return the lines of a text, which newlines alone end."""
    return io.StringIO(text, newline="\n")


def find_layout(lines: Lines, kind: Kind, name: str) -> Layout:
    """Infer how the columns of a file are separated and quoted.

    The delimiter is that of the format unless the header lacks it, and all rows have as many fields
    as the header with one other delimiter. Columns separated by tabs are quoted where every field
    that begins with a quotation mark follows the rule of csv, as GLUE's files do not.

    Raises:
        BadInput: several delimiters fit.
    """
    usual = "\t" if kind == "tsv" else ","
    declared = DECLARED.fullmatch(next(iter(lines()), ""))
    if declared:
        found = "\t" if declared[1] == "\\t" else declared[1]
        words = f"columns are separated by {named(found)}, as the first line says"
        return _quoting(lines, Layout(found, True, begin=1, notes=(words,)))
    if _width(lines, usual) > 1:
        return _quoting(lines, Layout(usual, True))
    likely = [each for each in DELIMITERS if each != usual and _width(lines, each) > 1]
    layouts = [_quoting(lines, Layout(each, True)) for each in likely]
    fitting = [each for each in layouts if _count(lines, each, name)[1] is None]
    if len(fitting) > 1:
        raise BadInput(
            f"{name}: its columns may be separated by "
            f"{' or '.join(named(each.delimiter) for each in fitting)}.",
            f"Separate them by {named(usual)}.",
        )
    if fitting and usual == "\t" and _in_each_row(lines, usual):
        raise BadInput(
            f"{name}: its header is separated by {named(fitting[0].delimiter)}, its rows perhaps "
            "by tabs.",
            "Separate header and rows alike.",
        )
    chosen = fitting or (layouts if len(layouts) == 1 else [])
    if not chosen:
        return _quoting(lines, Layout(usual, True))
    words = f"columns are separated by {named(chosen[0].delimiter)}"
    return replace(chosen[0], notes=(words, *chosen[0].notes))


def named(delimiter: str) -> str:
    """Return a delimiter in words."""
    return DELIMITERS.get(delimiter, repr(delimiter))


def read_rows(lines: Iterable[str], layout: Layout, name: str) -> Iterator[Row]:
    """Yield the rows of a file that are no empty lines; the first is the header, without blanks.

    Empty fields beyond those of the header, and rows of empty fields at the end, are left out.

    Raises:
        Broken: a quotation mark that is not closed, or another number of fields than the header.
    """
    header: list[str] = []
    empty: list[Row] = []
    for row in _parsed(lines, layout, name):
        if not row.fields or (len(row.fields) == 1 and row.fields[0].isspace()):
            continue
        if not header:
            header = [field.strip() for field in row.fields]
            yield row._replace(fields=header)
            continue
        if len(row.fields) != len(header):
            if len(row.fields) < len(header) or any(row.fields[len(header) :]):
                raise _ragged(row, header, layout, name)
            row = row._replace(fields=row.fields[: len(header)])
        if len(header) > 1 and not any(row.fields):
            empty.append(row)
            continue
        if empty:
            yield from empty
            empty.clear()
        yield row


def joined_row(rows: Sequence[Row], layout: Layout) -> Row | None:
    """Return the first row that a quotation mark seems to have made of several; None without one.

    Each of its lines has as many fields as other rows, and one of these, in the same column, is a
    value of another row.
    """
    if not layout.quoted or all(row.first == row.last for row in rows):
        return None
    single = [row.fields for row in rows if row.first == row.last]
    values = [set(column) for column in zip(*single, strict=True)]
    for row in rows:
        if row.last > row.first:
            lines = layout.delimiter.join(row.fields).split("\n")
            parts = [line.split(layout.delimiter) for line in lines]
            whole = bool(values) and all(len(part) == len(values) for part in parts)
            if whole and any(
                all(part[place] in known for part in parts) for place, known in enumerate(values)
            ):
                return row
    return None


def _parsed(lines: Iterable[str], layout: Layout, name: str) -> Iterator[Row]:
    rest = iter(lines)
    for _ in range(layout.begin):
        next(rest, None)
    if not layout.quoted:
        for number, line in enumerate(rest, start=layout.begin + 1):
            words = line.rstrip("\r\n")
            yield Row(number, number, words.split(layout.delimiter) if words else [])
        return
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(
        rest,
        delimiter=layout.delimiter,
        skipinitialspace=layout.blanks,
        escapechar="\\" if layout.escaped else None,
        doublequote=not layout.escaped,
        strict=True,
    )
    while True:
        first = reader.line_num + layout.begin + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise _misquoted(name, first, reader.line_num + layout.begin, error) from error
        if fields is None:
            return
        yield Row(first, reader.line_num + layout.begin, fields)


def _misquoted(name: str, first: int, last: int, error: csv.Error) -> Broken:
    if "new-line character" in str(error):
        return Broken(
            f"{name}, line {last} has a carriage return outside quotation marks.",
            "Remove it, or quote the field.",
        )
    what = (
        "a quotation mark is not closed"
        if last > first or "unexpected end" in str(error)
        else "a quoted field does not end with its quotation mark"
    )
    where = f" (noticed in line {last})" if last > first else ""
    return Broken(
        f"{name}, line {first}: {what}{where}: {error}.",
        'Close it, or write quotation marks that are text twice, "", in a quoted field.',
    )


def _ragged(row: Row, header: list[str], layout: Layout, name: str) -> Broken:
    count = f"{len(row.fields)} field{'s' * (len(row.fields) != 1)}"
    if row.last > row.first:
        return Broken(
            f"{name}, lines {row.first} to {row.last} are one row of {count}, the header has "
            f"{len(header)}: a quotation mark in line {row.first} is probably not closed.",
            'Close it, or write quotation marks that are text twice, "", in a quoted field.',
        )
    of_header = f"{len(header)}, {header[0]!r}" if len(header) == 1 else str(len(header))
    sign = named(layout.delimiter)
    return Broken(
        f"{name}, line {row.first} has {count}, the header has {of_header}{_seemingly(layout)}.",
        f"Separate columns by {sign}, give each line as many as the header"
        + (f", and quote fields that contain {sign}." if layout.quoted else "."),
    )


def _seemingly(layout: Layout) -> str:
    return f"; the {layout.notes[0]}" if layout.notes else ""


def _quoting(lines: Lines, layout: Layout) -> Layout:
    """Return the layout with what it says of quotation marks and blanks."""
    header = next((line for line in _from(lines, layout.begin) if line.strip()), "")
    blanks = re.search(rf"{re.escape(layout.delimiter)} +\S", header) is not None
    quoted = replace(layout, blanks=blanks)
    if layout.delimiter != "\t":
        return _escaping(lines, quoted)
    plain = replace(layout, quoted=False)
    first, rows = _first_quoted(lines, plain)
    if not first:
        return plain
    count, fault = _count(lines, quoted, "")
    if fault is None and rows in (None, count):
        words = "quotation marks around fields are taken off, as in csv"
        return replace(quoted, notes=(*layout.notes, words))
    where = _first_line(fault) or first
    words = f"quotation marks stay in the texts: line {where} does not follow the rule of csv"
    return replace(plain, notes=(*layout.notes, words))


def _escaping(lines: Lines, layout: Layout) -> Layout:
    """Return the layout with backslashes before quotation marks where the file has no other rule.

    That is looked for in the first lines.
    """
    if not any('\\"' in line for line in islice(lines(), BEGINNING)):
        return layout
    escaped = replace(
        layout,
        escaped=True,
        notes=(*layout.notes, "a backslash stands before quotation marks that are text"),
    )
    fits = [_count(lines, each, "")[1] is None for each in (layout, escaped)]
    return escaped if fits == [False, True] else layout


def _first_quoted(lines: Lines, plain: Layout) -> tuple[int, int | None]:
    """Return the first line with a field that begins with a quotation mark, 0 for none.

    And the number of rows where each line has as many fields as the header, otherwise None.
    """
    first, counts = 0, Counter[int]()
    for number, line in enumerate(_from(lines, plain.begin), start=plain.begin + 1):
        if not line.isspace():
            counts[line.count("\t")] += 1
        if not first and (line.startswith('"') or '\t"' in line):
            first = number
    return first, counts.total() if len(counts) == 1 else None


def _first_line(fault: Broken | None) -> str:
    found = re.search(r"lines? (\d+)", fault.message) if fault else None
    return found[1] if found else ""


def _count(lines: Lines, layout: Layout, name: str) -> tuple[int, Broken | None]:
    """Count the rows of a file under a layout, up to what is wrong with them, if anything is."""
    count = 0
    try:
        for _ in read_rows(lines(), layout, name):
            count += 1
    except Broken as error:
        return count, error
    return count, None


def _width(lines: Lines, delimiter: str) -> int:
    """Return the number of fields of the header, 0 where its quotation marks do not fit."""
    header = next((line for line in lines() if line.strip()), "")
    try:
        return len(next(csv.reader([header], delimiter=delimiter, strict=True), []))
    except csv.Error:
        return len(header.split(delimiter)) if delimiter == "\t" else 0


def _in_each_row(lines: Lines, delimiter: str) -> bool:
    rest = (line for line in lines() if line.strip())
    next(rest, None)
    return all(delimiter in line for line in rest)


def _from(lines: Lines, begin: int) -> Iterator[str]:
    rest = iter(lines())
    for _ in range(begin):
        next(rest, None)
    return rest
