"""Files of answers: read in chunks, written atomically, every float32 given back."""

import gc
import io
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparsekd.errors import BadInput, NotFound
from sparsekd.tasks.answers import chunks, writing

TEXTS = [
    "plain",
    'with "quotes", and commas',
    "two\nlines",
    "old\rends\r\n",
    "日本 é",
    "NA",
    "1.50",
]


def some_answers(rows: int = 50) -> pd.DataFrame:
    """Answers of three classes with numbers of every size, and texts that are hard to write."""
    drawn = np.random.default_rng(0)
    logits = drawn.normal(size=(rows, 3)) * 10.0 ** drawn.integers(-30, 30, (rows, 3))
    texts = pd.DataFrame({"row": np.arange(rows), "text": [TEXTS[n % 7] for n in range(rows)]})
    return writing.answers_frame(texts, logits.astype(np.float32), ("no", "so so", "yes"), True)


def read(path: Path) -> pd.DataFrame:
    with chunks.open_file(path) as rows:
        return pd.concat(rows.read(rows.columns), ignore_index=True)


@pytest.mark.parametrize("ending", writing.FORMATS)
def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path, ending: str):
    written = some_answers()
    writing.write_file(tmp_path / f"answers{ending}", [written[:20], written[20:]])
    found = read(tmp_path / f"answers{ending}")
    assert list(found.columns) == list(written.columns)
    assert found["text"].tolist() == written["text"].tolist()
    assert [int(row) for row in found["row"]] == list(range(50))
    for name in ("logit_no", "logit_so so", "logit_yes", "probability_yes"):
        numbers = found[name].astype("float64").to_numpy().astype(np.float32)
        assert numbers.tobytes() == written[name].to_numpy().tobytes()


def test_probabilities_are_the_softmax_and_the_label_is_the_likeliest():
    """Of logits log 1, log 2, log 5 they are 1/8, 2/8 and 5/8."""
    logits = np.log(np.array([[1, 2, 5]], dtype=np.float32))
    found = writing.answers_frame(pd.DataFrame({"text": ["x"]}), logits, ("a", "b", "c"), False)
    assert list(found) == ["text", "label", "probability_a", "probability_b", "probability_c"]
    assert found["label"].tolist() == ["c"]
    assert found.iloc[0, 2:].tolist() == pytest.approx([0.125, 0.25, 0.625], abs=1e-7)


def test_a_regression_has_a_value():
    found = writing.answers_frame(
        pd.DataFrame({"text": ["x"]}), np.array([[2.5]], dtype=np.float32), (), True
    )
    assert found.to_dict("records") == [{"text": "x", "value": 2.5}]


def test_a_text_column_with_the_name_of_an_answer_is_refused():
    with pytest.raises(BadInput, match="called 'label'"):
        writing.answers_frame(
            pd.DataFrame({"label": ["x"]}), np.zeros((1, 2), np.float32), ("a", "b"), True
        )


@pytest.mark.parametrize("ending", writing.FORMATS)
def test_an_error_half_way_leaves_no_file(tmp_path: Path, ending: str):
    def frames():
        yield some_answers()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing.write_file(tmp_path / f"answers{ending}", frames())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl", ".tsv"])
def test_a_large_file_is_read_and_written_with_a_few_chunks_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
):
    """Of forty chunks at most two are alive at once."""
    monkeypatch.setattr(chunks, "ROWS", 100)
    monkeypatch.setattr(chunks, "_SLICE", 50)
    large = pd.DataFrame({"text": [f"text number {n}" for n in range(4000)]})
    path = tmp_path / f"large{ending}"
    if ending == ".parquet":
        large.to_parquet(path)  # one row group
    elif ending == ".jsonl":
        large.to_json(path, orient="records", lines=True)
    else:
        large.to_csv(path, index=False, sep="\t" if ending == ".tsv" else ",")
    alive: list[weakref.ref] = []
    most, total = 0, 0

    def frames(rows: chunks.RowChunks):
        nonlocal most, total
        for frame in rows.read(["text"]):
            alive.append(weakref.ref(frame))
            gc.collect()
            most = max(most, sum(len(one()) for one in alive if one() is not None))
            total += len(frame)
            yield frame

    gc.freeze()  # what was there before need not be searched for garbage forty times
    try:
        with chunks.open_file(path) as rows:
            writing.write_file(tmp_path / "out.parquet", frames(rows))
    finally:
        gc.unfreeze()
    assert total == 4000
    assert most <= 2 * chunks.ROWS
    assert read(tmp_path / "out.parquet")["text"].tolist() == large["text"].tolist()


def test_long_texts_make_short_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunks, "CHARACTERS", 1000)
    pd.DataFrame({"text": ["x" * 400] * 10}).to_csv(tmp_path / "long.csv", index=False)
    with chunks.open_file(tmp_path / "long.csv") as rows:
        assert [len(frame) for frame in rows.read(["text"])] == [3, 3, 3, 1]


def test_the_share_of_a_file_that_was_read_ends_at_one(tmp_path: Path):
    for ending in (".csv", ".parquet"):
        path = tmp_path / f"some{ending}"
        writing.write_file(path, [some_answers(500)])
        with chunks.open_file(path) as rows:
            assert sum(len(frame) for frame in rows.read(["text"])) == 500
            assert rows.share() == 1.0


def test_standard_input_is_lines_of_text_or_of_json():
    lines = chunks.open_stream(io.BytesIO("one\r\n{two\né".encode()))
    assert lines.columns == ("text",)
    assert pd.concat(lines.read(["text"]))["text"].tolist() == ["one", "{two", "é"]
    objects = chunks.open_stream(io.BytesIO(b'{"premise": "a", "hypothesis": "b"}\n'))
    assert objects.columns == ("premise", "hypothesis")
    assert next(objects.read(["hypothesis"])).to_dict("records") == [{"hypothesis": "b"}]
    with pytest.raises(BadInput, match="Standard input is empty"):
        chunks.open_stream(io.BytesIO(b""))


BROKEN = [
    ("a.txt", b"text\n", "not parquet, csv, tsv or jsonl"),
    ("a.csv", b"", "a.csv is empty"),
    ("a.jsonl", b"\n\n", "a.jsonl is empty"),
    ("a.csv", b"text,text\na,b\n", "two columns named 'text'"),
    ("a.csv", b"text,label\na,b\nc\n", "line 3 has 1 field,"),
    ("a.csv", b'text\n"open', "a.csv, line 2"),
    ("a.csv", b"text\n" + "é".encode("latin-1"), "not UTF-8"),
    ("a.jsonl", b'{"text": "a"}\n[1]\n', "line 2 is not a JSON object"),
    ("a.jsonl", b'{"text": "a"}\n{"text"\n', "line 2 is not JSON"),
    ("a.jsonl", b'{"text": "a"}\n{"other": "b"}\n', "row 2 has no 'text'"),
    ("a.parquet", b"PAR1 but not really", "not a parquet file"),
]


@pytest.mark.parametrize(("name", "content", "message"), BROKEN)
def test_a_broken_file_says_what_is_wrong(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=message), chunks.open_file(tmp_path / name) as rows:
        list(rows.read(["text"]))


def test_a_missing_file_is_named(tmp_path: Path):
    with (
        pytest.raises(NotFound, match=r"no file .*none\.csv"),
        chunks.open_file(tmp_path / "none.csv"),
    ):
        pass
