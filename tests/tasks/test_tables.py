"""Files as people bring them: separators, quotes, ends of lines, shapes of JSON, plain values."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from sparsekd.errors import BadInput
from sparsekd.tasks import local, tables
from sparsekd.tasks.answers import chunks

ROWS = [{"text": "good, but long", "label": "pos"}, {"text": "dull", "label": "neg"}]
TEXTS = [row["text"] for row in ROWS]


def read(place: Path, name: str, content: str | bytes) -> tables.Table:
    path = place / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tables.read_table([path])


SEPARATED = {
    "semicolons": ("a.csv", "text;label\ngood, but long;pos\ndull;neg\n", "semicolons"),
    "quoted semicolons": (
        "a.csv",
        '"text";"label"\n"good, but long";"pos"\ndull;neg',
        "semicolons",
    ),
    "bars": ("a.csv", "text|label\ngood, but long|pos\ndull|neg\n", "vertical bars"),
    "tabs": ("a.csv", "text\tlabel\ngood, but long\tpos\ndull\tneg\n", "tabs"),
    "commas": ("a.tsv", 'text,label\n"good, but long",pos\ndull,neg\n', "commas"),
    "declared": (
        "a.csv",
        "sep=;\r\ntext;label\r\ngood, but long;pos\r\ndull;neg\r\n",
        "first line",
    ),
    "blanks": ("a.csv", 'text, label\n"good, but long", pos\n"dull", neg\n', ""),
    "an unnamed column": ("a.csv", 'text,label,\n"good, but long",pos,\ndull,neg,\n', ""),
    "backslashes": ("a.csv", 'text,label\n"a \\"b\\", c",pos\ndull,neg\n', "backslash"),
    "empty ends": ("a.csv", 'text,label\n"good, but long",pos,,\ndull,neg,\n,\n,\n', ""),
    "quoted tsv": ("a.tsv", 'text\tlabel\n"good, but long"\tpos\ndull\tneg\n', "taken off"),
    "carriage returns": ("a.tsv", "text\tlabel\rgood, but long\tpos\rdull\tneg\r", ""),
    "UTF-16": ("a.tsv", "text\tlabel\ngood, but long\tpos\ndull\tneg\n".encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (
        "a.csv",
        '"text","label"\n"good, but long",pos\ndull,neg'.encode("utf-16-le"),
        "UTF-16",
    ),
    "gzip": ("a.csv.gz", gzip.compress(b'text,label\n"good, but long",pos\ndull,neg\n'), ""),
}


@pytest.mark.parametrize("name", SEPARATED)
def test_columns_are_read_however_they_are_separated(tmp_path: Path, name: str) -> None:
    file, content, words = SEPARATED[name]
    table = read(tmp_path, file, content)
    first = {"backslashes": 'a "b", c'}.get(name, ROWS[0]["text"])
    assert table.rows.to_dict("records") == [ROWS[0] | {"text": first}, ROWS[1]]
    assert (words in " ".join(table.notes)) if words else table.notes == ()


COLUMNS = {key: [row[key] for row in ROWS] for key in ("text", "label")}
LINES = "\n".join(json.dumps(row) for row in ROWS)
OBJECTS = {
    "a list": ("a.json", json.dumps(ROWS), ""),
    "a list over lines": ("a.json", json.dumps(ROWS, indent=2), ""),
    "a list in jsonl": ("a.jsonl", json.dumps(ROWS), "one JSON list"),
    "lines in json": ("a.json", LINES, "object per line"),
    "objects over lines": (
        "a.jsonl",
        "\n".join(json.dumps(row, indent=1) for row in ROWS),
        "several lines",
    ),
    "commas between": ("a.jsonl", LINES.replace("\n", ",\n"), "commas between"),
    "ndjson": ("a.ndjson", LINES, ""),
    "a list under a key": ("a.json", json.dumps({"version": 1, "data": ROWS}), "'data'"),
    "columns": ("a.json", json.dumps(COLUMNS), "list for each column"),
    "pandas' own form": ("a.json", pd.DataFrame(ROWS).to_json(), "object for each column"),
    "numbered rows": ("a.json", pd.DataFrame(ROWS).to_json(orient="index"), "numbered"),
    "split": ("a.json", pd.DataFrame(ROWS).to_json(orient="split"), "'columns'"),
    "gzip": ("a.jsonl.gz", gzip.compress(LINES.encode()), ""),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_are_read_in_each_shape_that_programs_write(tmp_path: Path, name: str) -> None:
    file, content, words = OBJECTS[name]
    table = read(tmp_path, file, content)
    assert table.rows[["text", "label"]].to_dict("records") == ROWS
    assert (words in " ".join(table.notes)) if words else table.notes == ()


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\r"])
@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
def test_newlines_alone_end_a_row(tmp_path: Path, sign: str, kind: str) -> None:
    text = f"one{sign}two"
    rows = {
        "tsv": f"text\tlabel\n{text}\tpos\n",
        "csv": f'text,label\n"{text}",pos\n',
        "jsonl": json.dumps({"text": text, "label": "pos"}, ensure_ascii=False) + "\n",
    }
    table = read(tmp_path, f"a.{kind}", rows[kind])
    assert table.rows["text"].tolist() == [text]
    with chunks.open_file(tmp_path / f"a.{kind}") as found:
        assert [value for part in found.read(["text"]) for value in part["text"]] == [text]


def test_quotation_marks_stay_in_a_tsv_that_does_not_follow_the_rule_of_csv(tmp_path: Path) -> None:
    table = read(tmp_path, "a.tsv", 'text\tlabel\n"all"\tpos\n"so" he said\tneg\n')
    assert table.rows["text"].tolist() == ['"all"', '"so" he said']
    assert table.notes == (
        "quotation marks stay in the texts: line 3 does not follow the rule of csv",
    )


def test_a_quotation_mark_that_would_join_whole_rows_of_a_tsv_stays(tmp_path: Path) -> None:
    table = read(tmp_path, "a.tsv", 'text\tlabel\n"one\tpos\ntwo"\tneg\n')
    assert table.rows["text"].tolist() == ['"one', 'two"']


def test_rows_that_a_quotation_mark_joins_are_said_in_a_csv(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", 'text,label\nzero,pos\nten,neg\n"one,pos\ntwo",neg\n')
    assert len(table.rows) == 3
    assert "lines 4 to 5 are one row by the quotation mark in line 4" in table.notes[0]
    assert read(tmp_path, "a.csv", 'text,label\na,pos\n"one, and\ntwo",pos\n').notes == ()


BROKEN = {
    "ragged semicolons": ("a.csv", "text;label\na;1\nb;c;0\n", "line 3 has 3 fields.*semicolons"),
    "two separators": ("a.csv", "text;label|x;y\na;b|c;d\n", "semicolons or vertical bars"),
    "a mark that is never closed": (
        "a.csv",
        'text,label\na,1\n"b,0\nc,1\n',
        "line 3: a quot.*closed",
    ),
    "a mark that opens rows": ("a.csv", 'text,label\n"a,1\nb,0\n"c",1\n', "line 2: a quot.*line 4"),
    "joined rows": ("a.csv", 'text,label\n"a,1\nb"\nc,1\n', "lines 2 to 3 are one row of 1 field"),
    "two separators of rows": (
        "a.tsv",
        "text,label\na, b\tpos\n",
        "header is separated by commas.*tabs",
    ),
    "a sign that separates nothing": (
        "a.csv",
        "text^label\na, b^pos\n",
        "the header has 1, 'text.label'",
    ),
    "a web page": ("a.csv", "<!DOCTYPE html>\n<html>", "is a web page, not csv"),
    "a pointer": (
        "a.parquet",
        "version https://git-lfs.github.com/spec/v1\n",
        "pointer of Git LFS",
    ),
    "a workbook": ("a.csv", b"PK\x03\x04\xff", "a zip archive or a workbook, not csv"),
    "JSON in csv": ("a.csv", json.dumps(ROWS), "a.csv holds JSON"),
    "several lists": (
        "a.json",
        json.dumps({"train": ROWS, "dev": ROWS}),
        "several lists of objects",
    ),
    "half a list": ("a.json", '[{"text": "a"},\n{"text"', "line 2 is not JSON"),
    "no examples": ("a.json", '{"a": {"b": 1}, "c": 2}', "one JSON object with the keys a, c"),
    "a list of numbers": ("a.json", "[1, 2]", "item 1 is not a JSON object"),
    "half a gzip file": ("a.csv.gz", gzip.compress(b"text,label\n" * 50)[:-9], "not a whole gzip"),
    "no gzip file": ("a.csv.gz", b"text,label\na,1\n", "not a whole gzip"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_the_place_where_it_began(tmp_path: Path, name: str) -> None:
    file, content, message = BROKEN[name]
    with pytest.raises(BadInput, match=message) as caught:
        read(tmp_path, file, content)
    assert caught.value.hint


def test_keys_may_be_missing_where_they_are_neither_text_nor_label(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"meta": {"a": 1}}, ROWS[1]]
    for split in ("train", "validation"):
        text = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / f"{split}.jsonl").write_text(text)
    assert local.read(local.inspect(tmp_path))["train"]["text"].tolist() == TEXTS
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write('\n{"label": "pos"}')
    with pytest.raises(BadInput, match=r"train.jsonl, line 3 has no key 'text'"):
        local.inspect(tmp_path)


def test_half_an_emoji_is_read_as_the_replacement_character_and_said(tmp_path: Path) -> None:
    line = r'{"text": "fine \ud83d", "label": "\udc00", "more": ["\ud83d"], "\ud83d": 1}'
    table = read(tmp_path, "a.jsonl", line)
    assert table.rows.loc[0].tolist() == ["fine \ufffd", "\ufffd", ["\ufffd"], 1]
    assert "in 1 row" in table.notes[0]
    with chunks.open_file(tmp_path / "a.jsonl") as found:
        assert next(found.read(["text"]))["text"].tolist() == ["fine \ufffd"]


def test_categories_and_numbered_columns_of_parquet_are_plain(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS).astype("category").assign(more=pd.array([1, None], dtype="Int64"))
    frame.columns = pd.Index([0, 1, 2])
    frame.to_parquet(tmp_path / "a.parquet")
    found = tables.read_table([tmp_path / "a.parquet"]).rows
    assert list(found.columns) == ["0", "1", "2"]
    assert found["0"].tolist() == TEXTS and found["1"].dtype != "category"


@pytest.mark.parametrize(
    "lines",
    [
        "it was good,pos\nit was dull,neg\n",
        "7,what a film\n8,how dull\n",
        "a text that goes on and on for forty letters,x\nb,y\n",
    ],
)
def test_a_first_line_that_looks_like_data_is_refused(tmp_path: Path, lines: str) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.csv").write_text(lines + lines)
    with pytest.raises(BadInput, match="the first line must name the columns; it looks like data"):
        local.inspect(tmp_path)


def test_lines_that_are_quoted_as_a_whole_are_named(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.csv").write_text('"text,label"\n"good,pos"\n"dull,neg"\n')
    with pytest.raises(BadInput, match="quoted as a whole"):
        local.inspect(tmp_path)
