"""Several labels for each text: lists, columns of 0 and 1, and every fault of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sparsekd.errors import BadInput, Incompatible, NotFound, SparseKDError
from sparsekd.tasks import TaskCard, local
from sparsekd.tasks.labels import is_labelled, label_values

TEXTS = ["good cast", "a dull film", "fine, twice", "naïve, but warm"]
SETS = [["plot", "acting"], [], ["music"], ["acting"]]
NAMES = ("acting", "music", "plot")
FLAGS = [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0]]
KINDS = ["parquet", "jsonl", "csv", "tsv"]


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame; csv and tsv get lists as JSON."""
    as_text = frame.map(lambda cell: json.dumps(cell) if isinstance(cell, list) else cell)
    writers = {
        ".csv": lambda: as_text.to_csv(path, index=False),
        ".tsv": lambda: path.write_text(
            "\n".join("\t".join(map(str, row)) for row in [frame.columns, *as_text.to_numpy()])
        ),
        ".jsonl": lambda: path.write_text(
            "".join(json.dumps(row) + "\n" for row in frame.to_dict("records"))
        ),
        ".parquet": lambda: frame.to_parquet(path),
    }
    writers[path.suffix]()


def folder_of(
    place: Path, labels: Any, validation: Any = None, kind: str = "jsonl", texts: Any = TEXTS
) -> Path:
    """Write a column `labels` of train and validation, or the columns of a dictionary."""
    for split, given in (("train", labels), ("validation", validation or SETS)):
        columns = given if isinstance(given, dict) else {"labels": given}
        write(
            pd.DataFrame({"text": texts[: len(next(iter(columns.values())))]} | columns),
            place / f"{split}.{kind}",
        )
    return place


def columns(flags: Any) -> dict[str, Any]:
    return dict(zip(NAMES, map(list, zip(*flags, strict=True)), strict=True))


def flags_of(card: TaskCard, split: str = "train") -> Any:
    return label_values(local.read(card)[split]["label"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_lists_is_read_alike_in_every_format(tmp_path: Path, kind: str) -> None:
    card = local.inspect(folder_of(tmp_path, SETS, kind=kind))

    assert (card.kind, card.labels, card.label) == ("labels", NAMES, "labels")
    assert card.metrics == ("micro_f1", "macro_f1", "subset_accuracy")
    assert (card.multilabel, card.regression, card.classes) == (True, False, 3)
    for split in ("train", "validation"):
        found = flags_of(card, split)
        assert found.dtype == np.float32
        assert found.tolist() == FLAGS
    assert TaskCard.from_json(json.loads(json.dumps(card.to_json()))) == card


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [int, float, bool])
def test_a_column_of_0_and_1_for_each_label_is_read_alike(
    tmp_path: Path, kind: str, form: Any
) -> None:
    given = columns([[form(flag) for flag in row] for row in FLAGS])
    card = local.inspect(folder_of(tmp_path, given, given, kind), label=NAMES[::-1])

    assert (card.kind, card.labels, card.label) == ("labels", NAMES[::-1], "")
    assert flags_of(card)[:, ::-1].tolist() == FLAGS
    assert card.label_columns == NAMES[::-1]


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv"])
def test_a_missing_list_is_unlabelled_and_an_empty_one_is_not(tmp_path: Path, kind: str) -> None:
    card = local.inspect(folder_of(tmp_path, [SETS[0], None, [], ["music"]], kind=kind))

    found = flags_of(card)
    assert is_labelled(found).tolist() == [True, False, True, True]
    assert np.isnan(found[1]).all()
    assert found[2].tolist() == [0, 0, 0]
    assert card.unlabelled == 1


def test_a_row_of_empty_columns_is_unlabelled(tmp_path: Path) -> None:
    given = columns([[1, 0, 1], ["", "", ""], [0, 1, 0], [1, 0, 0]])
    card = local.inspect(folder_of(tmp_path, given, columns(FLAGS), "csv"), label=NAMES)

    assert is_labelled(flags_of(card)).tolist() == [True, False, True, True]


def test_whole_numbers_are_names_in_their_order(tmp_path: Path) -> None:
    lists = [[10, 2], [2], [], [10]]
    assert local.inspect(folder_of(tmp_path, lists, lists)).labels == ("2", "10")


def test_a_metric_for_labels_is_chosen_by_name(tmp_path: Path) -> None:
    assert local.inspect(folder_of(tmp_path, SETS), metric="macro_f1").metrics == ("macro_f1",)


def test_the_names_are_those_of_train_even_where_validation_is_called_dev(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, SETS, [["music"]] * 4)
    (folder / "validation.jsonl").rename(folder / "dev.jsonl")

    assert local.inspect(folder).labels == NAMES


def test_a_text_of_json_among_texts_is_a_class_name(tmp_path: Path) -> None:
    """Only a column that has nothing but lists is one of lists; a class may be called "[]"."""
    card = local.inspect(folder_of(tmp_path, ["[]", "yes", "yes", "[]"], ["yes"] * 4, "csv"))

    assert (card.kind, card.labels) == ("classes", ("[]", "yes"))


LISTS = [
    ([["a"], "b", ["c"], []], SETS, r"no list of labels in row 2: 'b'"),
    ([["a"], ["b", None], ["c"], []], SETS, r"a label without a name in row 2"),
    ([["a"], ["b", 0.5], ["c"], []], SETS, r"a label without a name in row 2"),
    ([["a"], ["b", "b"], ["c"], []], SETS, r"one label twice in row 2"),
    ([["a"], ["a"], [], []], [["a"]] * 4, r"the single label 'a'"),
    ([[], [], [], []], [[]] * 4, r"no label at all"),
    (SETS, [["plot"], ["smell"], [], []], r"validation file has labels that train lacks: smell"),
    (SETS, [["plot"], None, [], []], r"validation file has no label in row 2"),
]


@pytest.mark.parametrize(("train", "validation", "reason"), LISTS)
def test_lists_that_are_no_sets_of_known_labels_are_refused(
    tmp_path: Path, train: Any, validation: Any, reason: str
) -> None:
    with pytest.raises(BadInput, match=reason) as refused:
        local.inspect(folder_of(tmp_path, train, validation))
    assert refused.value.hint


COLUMNS = [
    ([[1, 0, 2], [0, 1, 0], [1, 0, 0], [0, 0, 1]], r"'2' in its label column plot, row 1"),
    ([[1, 0, "x"], [0, 1, "y"], [1, 0, 0], [0, 0, 1]], r"'x' .* 2 values are neither 0 nor 1"),
    ([[1, 0, ""], [0, 1, 0], [1, 0, 0], [0, 0, 1]], r"some labels and lacks others in row 1"),
    ([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]], r"No row of the train file has the label plot"),
]


@pytest.mark.parametrize(("flags", "reason"), COLUMNS)
def test_columns_that_are_not_of_0_and_1_are_refused(
    tmp_path: Path, flags: Any, reason: str
) -> None:
    folder = folder_of(tmp_path, columns(flags), columns(FLAGS), "csv")
    with pytest.raises(BadInput, match=reason):
        local.inspect(folder, label=NAMES)


def test_an_unlabelled_validation_row_of_columns_is_refused(tmp_path: Path) -> None:
    given = columns([["", "", ""], *FLAGS[1:]])
    with pytest.raises(BadInput, match=r"validation file has no label in row 1"):
        local.inspect(folder_of(tmp_path, columns(FLAGS), given, "csv"), label=NAMES)


def test_a_hundred_thousand_labels_are_refused_at_once(tmp_path: Path) -> None:
    rows = [[f"label {row}-{place}" for place in range(1000)] for row in range(100)]
    texts = [f"text {row}" for row in range(100)]
    with pytest.raises(BadInput, match=r"100,000 different labels; the most is 1,000"):
        local.inspect(folder_of(tmp_path, rows, rows, texts=texts))


def test_metrics_of_another_kind_of_label_are_refused(tmp_path: Path) -> None:
    given = folder_of(tmp_path, SETS)
    with pytest.raises(Incompatible, match="accuracy: not for several labels"):
        local.inspect(given, metric="accuracy")
    with pytest.raises(Incompatible, match="cannot be combined"):
        local.inspect(given, metric=("accuracy", "micro_f1"))


def test_a_metric_of_labels_for_classes_is_refused(tmp_path: Path) -> None:
    given = folder_of(tmp_path, ["yes", "no", "no", "yes"], ["yes"] * 4)
    with pytest.raises(Incompatible, match="the label column has no lists"):
        local.inspect(given, metric="micro_f1")


def test_a_label_column_that_is_missing_is_named(tmp_path: Path) -> None:
    given = folder_of(tmp_path, columns(FLAGS), columns(FLAGS), "csv")
    with pytest.raises(NotFound, match="no column 'smell'"):
        local.inspect(given, label=("acting", "smell"))


@pytest.mark.parametrize("lists", [[["a"] * 3, {"b": 1}, 3, ""], [[["a"]], ["b"], [], []]])
def test_anything_else_ends_in_an_error_of_this_program(tmp_path: Path, lists: Any) -> None:
    with pytest.raises(SparseKDError):
        local.inspect(folder_of(tmp_path, lists, lists))
