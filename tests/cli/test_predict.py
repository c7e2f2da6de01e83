"""`predict`: the answers of a model, equal to those of transformers text by text."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from sparsekd.__main__ import main
from sparsekd.models import loading
from sparsekd.models.classifiers import name_labels
from sparsekd.tasks.answers import chunks
from tests.conftest import tiny_model, tiny_tokenizer
from tests.workshop import sentences, task_folder

LABELS = ("blame", "praise")


@pytest.fixture(autouse=True)
def device(home: Path) -> None:
    """The devices are known already: to look for them takes seconds."""
    (home / "devices.json").write_text('[{"name": "cpu", "words": "a processor", "memory": 0}]')


@pytest.fixture
def model(tmp_path: Path, home: Path) -> Path:
    made = tiny_model("bert", vocabulary=24)
    name_labels(made, LABELS, kind="classes")
    loading.save(made, tiny_tokenizer(), tmp_path / "model")
    return tmp_path / "model"


def one_by_one(folder: Path, *texts: list[str]) -> np.ndarray:
    """The probabilities that plain transformers gives to each text alone, without padding."""
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = [
            model(**tokenizer(*row, return_tensors="pt", return_token_type_ids=True)).logits
            for row in zip(*texts, strict=True)
        ]
    return torch.cat(logits).softmax(-1).numpy()


def answer(*words: object) -> None:
    assert main(["predict", "--device", "cpu", *map(str, words)]) == 0


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv", "jsonl"])
def test_each_row_has_the_answer_of_its_text(tmp_path: Path, model: Path, ending, monkeypatch):
    monkeypatch.setattr(chunks, "ROWS", 100)
    frame = sentences()[:250].assign(id=[f"film {n}" for n in range(250)], other=1)
    source = tmp_path / f"texts.{ending}"
    if ending == "parquet":
        frame.to_parquet(source)
    elif ending == "jsonl":
        frame.to_json(source, orient="records", lines=True)
    else:
        frame.to_csv(source, index=False, sep="\t" if ending == "tsv" else ",")
    answer("--model", model, "--input", source, "--out", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    shares = [f"probability_{label}" for label in LABELS]
    outputs = ["label", *shares, *(f"logit_{label}" for label in LABELS)]
    assert list(found) == ["id", "sentence", *outputs]
    assert found["sentence"].tolist() == frame["sentence"].tolist()
    assert found["id"].tolist() == frame["id"].tolist()
    expected = one_by_one(model, frame["sentence"].tolist())
    np.testing.assert_allclose(found[shares].to_numpy(), expected, atol=1e-5)
    assert found["label"].tolist() == [LABELS[place] for place in expected.argmax(1)]


def test_standard_input_to_standard_output(model: Path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"the film\na dull plot\n")))
    answer("--model", model, "--input", "-", "--out", "-", "--without-logits")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == ["the film", "a dull plot"]
    expected = one_by_one(model, ["the film", "a dull plot"])
    assert [row["probability_praise"] for row in rows] == pytest.approx(expected[:, 1], abs=1e-5)
    assert list(rows[0]) == ["text", "label", "probability_blame", "probability_praise"]


def test_pairs_are_read_in_both_columns(tmp_path: Path, model: Path):
    pairs = pd.DataFrame({"premise": ["the film", "a plot is"], "hypothesis": ["a plot", "she"]})
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    answer("--model", model, "--input", tmp_path / "pairs.csv", "--out", tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    expected = one_by_one(model, *(pairs[name].tolist() for name in pairs))
    np.testing.assert_allclose(found["probability_blame"], expected[:, 0], atol=1e-5)


def test_a_regression_gives_values(tmp_path: Path, home: Path):
    made = tiny_model("bert", labels=1, vocabulary=24)
    name_labels(made, (), kind="number")
    loading.save(made, tiny_tokenizer(), tmp_path / "scalar")
    (tmp_path / "texts.jsonl").write_text('{"review": "the film is good"}\n')
    words = ("--input", tmp_path / "texts.jsonl", "--out", tmp_path / "out.jsonl")
    answer("--model", tmp_path / "scalar", *words)
    row = json.loads((tmp_path / "out.jsonl").read_text())
    ids = tiny_tokenizer()("the film is good", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert row["value"] == pytest.approx(made(ids).logits.item(), abs=1e-5)
    assert list(row) == ["review", "value"]


def test_outputs_have_the_order_of_the_tasks_labels(tmp_path: Path, home: Path):
    """The model has praise first, the task blame: names decide."""
    made = tiny_model("bert", vocabulary=24)
    name_labels(made, LABELS[::-1], kind="classes")
    loading.save(made, tiny_tokenizer(), tmp_path / "model")
    words = ("--model", tmp_path / "model", "--task", task_folder(tmp_path / "task"))
    answer(*words, "--split", "validation", "--out", tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    expected = one_by_one(tmp_path / "model", found["sentence"].tolist())
    np.testing.assert_allclose(found["probability_praise"], expected[:, 0], atol=1e-5)


def test_all_splits_of_a_task_number_the_rows_of_their_files(tmp_path: Path, model: Path):
    task = task_folder(tmp_path / "task")
    words = ("--model", model, "--task", task, "--split", "all")
    answer(*words, "--out", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found["split"].value_counts().to_dict() == {
        "selection": 170,
        "train": 170,
        "validation": 80,
    }
    train = pd.read_csv(task / "train.csv")["sentence"]
    carved = found[found["split"] != "validation"]
    assert sorted(carved["row"]) == list(range(340))
    assert carved["sentence"].tolist() == train[carved["row"]].tolist()


WRONG = [
    (["--out", "x.csv"], "nothing to answer"),
    (["--input", "texts.csv", "--out", "x.xlsx"], "x.xlsx is none of .parquet"),
    (["--input", "-", "--out", "-", "--json"], "both want standard output"),
    (["--input", "none.csv", "--out", "x.csv"], "no file none.csv"),
    (["--input", "texts.csv", "--text-column", "centence", "--out", "x.csv"], "Did you mean"),
    (["--input", "texts.csv", "--out", "x.csv"], "column sentence: no text in row 3"),
    (["--task", "demo/sentiment", "--split", "trian", "--out", "x.csv"], "Did you mean train"),
    (["--task", "demo/sentiment", "--text-column", "a", "--out", "x.csv"], "is for --input"),
    (["--task", "demo/inference", "--input", "texts.csv", "--out", "x.csv"], "twice for pairs"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_bad_input_is_one_line(tmp_path: Path, model: Path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    texts = {"sentence": ["a film", "the plot", " ", "she"], "label": ["praise"] * 4}
    pd.DataFrame(texts).to_csv("texts.csv", index=False)
    assert main(["predict", "--device", "cpu", "--model", str(model), *words]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error
    assert not list(tmp_path.glob("*x.csv"))


def test_an_interrupted_prediction_says_so_and_writes_nothing(tmp_path, model, monkeypatch, capsys):
    monkeypatch.setattr(chunks, "ROWS", 100)
    sentences()[:250].to_csv(tmp_path / "texts.csv", index=False)
    from sparsekd.stages import predictions

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    whole = predictions.Predictor.logits
    seen = []

    def logits(self, texts, on_progress):
        seen.append(len(texts))
        return whole(self, texts, stop if len(seen) == 2 else on_progress)

    monkeypatch.setattr(predictions.Predictor, "logits", logits)
    words = ["--input", str(tmp_path / "texts.csv"), "--out", str(tmp_path / "out.csv")]
    assert main(["predict", "--device", "cpu", "--model", str(model), *words]) == 130
    assert "Stopped after 100 rows." in capsys.readouterr().err
    assert not list(tmp_path.glob("*out.csv"))
