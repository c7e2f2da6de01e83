"""What label columns hold: words for nothing, numbers, lists of one, one-hot rows, no labels."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sparsekd.errors import BadInput
from sparsekd.tasks import TaskCard, local
from sparsekd.tasks.labels import label_values


def card_of(place: Path, labels: Any, kind: str = "jsonl", **options: Any) -> TaskCard:
    rows = [{"text": f"text {n}", "label": label} for n, label in enumerate(labels)]
    frame = pd.DataFrame(rows, dtype=object)
    for split in ("train", "validation"):
        path = place / f"{split}.{kind}"
        if kind == "jsonl":
            path.write_text("\n".join(json.dumps(row) for row in rows))
        elif kind == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
    return local.inspect(place, **options)


def ids(card: TaskCard) -> list[Any]:
    return label_values(local.read(card)["train"]["label"]).tolist()


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("word", ["none", "None", "null", "NA", "nan", "n/a"])
def test_words_for_nothing_are_names_of_classes(tmp_path: Path, kind: str, word: str) -> None:
    card = card_of(tmp_path, [word, "some", word, "some"], kind)
    assert set(card.labels) == {word, "some"} and card.unlabelled == 0


@pytest.mark.parametrize(
    ("labels", "names", "words"),
    [
        ([0.0, 1.0, 1.0, 0.0], ("0", "1"), "pearson"),
        ([1.0, 5.0, 3.0, 1.0], ("1", "3", "5"), "pearson"),
        ([1, 5, 3, 1], ("1", "3", "5"), "pearson"),
        (["1E1", "2E1", "1E1", "2E1"], ("1E1", "2E1"), "names of classes"),
        (["007", "7", "007", "7"], ("007", "7"), "names of classes"),
        (["a", "b", "a|b", "a"], ("a", "a|b", "b"), "lists make them several labels"),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_few_whole_numbers_and_codes_are_classes_and_it_is_said(
    tmp_path: Path, labels: Any, names: Any, words: str, kind: str
) -> None:
    card = card_of(tmp_path, labels, kind)
    assert card.labels == names
    assert words in card.notes[0]
    assert local.inspect(tmp_path, metric="accuracy").labels == names


def test_a_metric_decides_what_numbers_are_and_nothing_is_inferred(tmp_path: Path) -> None:
    card = card_of(tmp_path, [1.0, 5.0, 3.0, 1.0], metric="pearson")
    assert card.regression and card.notes == ()
    assert not card_of(tmp_path, [1.0, 5.0, 3.0, 1.0], metric="accuracy").notes


def test_many_whole_numbers_written_as_fractions_are_numbers(tmp_path: Path) -> None:
    card = card_of(tmp_path, [float(n) for n in range(30)])
    assert card.regression and "metric accuracy" in card.notes[0]


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    card = card_of(tmp_path, ["0,5", "1,25", "3", "2,0"], "csv")
    assert card.regression and ids(card) == [0.5, 1.25, 3.0, 2.0]
    assert "decimal commas" in card.notes[0]


def test_a_word_for_nothing_among_fractions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'nan' among numbers in row 2"):
        card_of(tmp_path, ["0.5", "nan", "1.5"], "csv")


LISTS = [
    ([["a"], ["b"], ["a"]], "classes", ("a", "b"), [0, 1, 0]),
    ([[1, 0, 0], [0, 0, 1], [1, 0, 0]], "classes", ("0", "2"), [0, 1, 0]),
    ([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], "classes", ("0", "1"), [1, 0, 0]),
    (
        [[1, 1, 0], [0, 0, 1], [0, 0, 0]],
        "labels",
        ("0", "1", "2"),
        [[1, 1, 0], [0, 0, 1], [0, 0, 0]],
    ),
]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize(("labels", "what", "names", "values"), LISTS)
def test_lists_of_one_and_rows_of_0_and_1_are_read_and_said(
    tmp_path: Path, kind: str, labels: Any, what: str, names: Any, values: Any
) -> None:
    card = card_of(tmp_path, labels, kind)
    assert (card.kind, card.labels, ids(card)) == (what, names, values)
    assert card.notes


@pytest.mark.parametrize(
    "form", [str, lambda names: "{" + str(names)[1:-1] + "}", lambda n: str(tuple(n))]
)
def test_lists_as_python_writes_them_are_lists(tmp_path: Path, form: Any) -> None:
    card = card_of(tmp_path, [form(["a", "b"]), form(["c", "d"]), form(["a", "c"])], "csv")
    assert (card.kind, card.labels) == ("labels", ("a", "b", "c", "d"))
    assert card.notes == ("labels are lists written as text",)


def test_rows_as_numpy_writes_them_are_rows(tmp_path: Path) -> None:
    card = card_of(tmp_path, ["[0. 1.]", "[1. 0.]", "[1. 0.]"], "csv")
    assert ids(card) == [1, 0, 0]


STRUCTURES = {
    "spans": ([[{"start": 0, "end": 4}], [], []], "keys start, end as label in row 1"),
    "an object": ([{"a": 1}, {"a": 0}, {"a": 1}], "an object with the keys a"),
    "lists of lists": ([[[0, 4, "x"]], [[1, 2, "y"]], []], "a list in a list"),
    "probabilities": ([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], "probabilities of 2 classes"),
    "probabilities by name": ([{"a": 0.9, "b": 0.1}] * 3, "probabilities of 2 classes"),
    "places": ([[n, n + 5] for n in range(24)], "29 different numbers in 24 rows"),
    "fractions": ([[0.9], [2.5, 1], [0.5]], "lists with fractions"),
    "labels of words": ([["B", "O", "O"], ["O", "O"], ["B"]], "one label twice in row 1"),
}


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_that_are_no_labels_are_refused_by_name(
    tmp_path: Path, name: str, kind: str
) -> None:
    labels, message = STRUCTURES[name]
    with pytest.raises(BadInput, match=message) as caught:
        card_of(tmp_path, labels, kind)
    assert caught.value.hint


def test_lists_in_another_notation_are_no_names_of_classes(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'\[a\]' is not JSON"):
        card_of(tmp_path, ["[a]", "[a, b]", "[b]"], "csv")


def test_columns_of_0_and_1_are_named_where_there_is_no_label_column(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.csv").write_text("text,toxic,insult\na,1,0\nb,0,1\n")
    with pytest.raises(BadInput, match="or all of toxic, insult, which hold 0 and 1"):
        local.inspect(tmp_path)
