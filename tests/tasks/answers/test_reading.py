"""Files of answers as a teacher: what each form means, and everything that is wrong with one."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from sparsekd.errors import BadInput
from sparsekd.tasks.answers import chunks, matching, values
from sparsekd.tasks.cards import TaskCard
from tests.tiny_data import tiny_card

CARD = tiny_card(3)  # no, maybe, yes
TEXTS = pd.DataFrame({"text": ["a", "b", "c", "b"], "row": [4, 0, 9, 2]})


def file(folder: Path, columns: dict | str | list, ending: str = "parquet") -> Path:
    """A file of answers: a table, or lines as they are."""
    path = folder / f"answers.{ending}"
    if isinstance(columns, str):
        path.write_text(columns)
    elif ending == "parquet":
        pd.DataFrame(columns).to_parquet(path)
    elif ending == "csv":
        pd.DataFrame(columns).to_csv(path, index=False)
    else:
        rows = pd.DataFrame(columns).to_dict("records")
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def shares(path: Path, card: TaskCard = CARD, wanted: pd.DataFrame = TEXTS) -> np.ndarray:
    """The softmax at T = 1 of what is read, as a training computes it."""
    logits = matching.logits_for(path, card, wanted)
    assert logits.dtype == np.float32
    return softmax(logits, axis=1)


ENDINGS = ("parquet", "csv", "jsonl")


@pytest.mark.parametrize("ending", ENDINGS)
def test_probabilities_come_back_whatever_the_order_of_rows_and_classes(tmp_path, ending):
    columns = {
        "text": ["c", "unwanted", "b", "a"],
        "probability_yes": [0.25, 1, 0.0, 0.7],
        "probability_no": [0.5, 0, 1.0, 0.2],
        "probability_Maybe": [0.25, 0, 0.0, 0.1],
    }
    found = shares(file(tmp_path, columns, ending))
    wanted = [[0.2, 0.1, 0.7], [1, 0, 0], [0.5, 0.25, 0.25], [1, 0, 0]]
    np.testing.assert_allclose(found, wanted, atol=1e-7)


@pytest.mark.parametrize("ending", ENDINGS)
def test_logits_are_taken_as_they_are_even_beside_other_answers(tmp_path, ending):
    columns = {"text": ["a", "b", "c"], "label": ["no"] * 3, "probability_no": [1.0] * 3}
    columns |= {f"logit_{name}": [n + 0.1, -n, 3e-8] for n, name in enumerate(CARD.labels)}
    found = matching.logits_for(file(tmp_path, columns, ending), CARD, TEXTS)
    wanted = [[0.1, 1.1, 2.1], [0, -1, -2], [3e-8] * 3, [0, -1, -2]]
    assert found.tobytes() == np.array(wanted, dtype=np.float32).tobytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_label_is_a_distribution_with_all_mass_on_it(tmp_path, ending):
    columns = {"text": ["a", "b", "c"], "label": ["yes", " No ", "maybe"]}
    found = matching.logits_for(file(tmp_path, columns, ending), CARD, TEXTS)
    assert np.unique(found).tolist() == [np.float32(np.log(values.FLOOR)), 0]
    wanted = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    np.testing.assert_allclose(softmax(found, axis=1), wanted, atol=1e-7)


def test_labels_of_several_annotators_are_their_shares(tmp_path):
    wanted = [[0, 1 / 3, 2 / 3], [1, 0, 0], [0.5, 0.5, 0], [1, 0, 0]]
    votes = {
        "label_1": ["yes", "no", "no"],
        "label_2": ["maybe", "no", "maybe"],
        "label_3": ["yes", None, ""],
    }
    for ending in ENDINGS:
        path = file(tmp_path, {"text": ["a", "b", "c"], **votes}, ending)
        np.testing.assert_allclose(shares(path), wanted, atol=1e-7)
    lists = [["yes", "maybe", "yes"], ["no"], ["no", "maybe"]]
    for ending in ("parquet", "jsonl"):
        path = file(tmp_path, {"text": ["a", "b", "c"], "labels": lists}, ending)
        np.testing.assert_allclose(shares(path), wanted, atol=1e-7)
    path = file(tmp_path, {"text": ["a", "b", "c"], "labels": map(json.dumps, lists)}, "csv")
    np.testing.assert_allclose(shares(path), wanted, atol=1e-7)


def test_objects_by_label_are_read_and_lists_only_where_labels_are_numbers(tmp_path):
    given = [{"yes": 0.7, "no": 0.1, "maybe": 0.2}] * 3
    for ending in ("parquet", "jsonl"):
        path = file(tmp_path, {"text": ["a", "b", "c"], "probabilities": given}, ending)
        np.testing.assert_allclose(shares(path)[0], [0.1, 0.2, 0.7], atol=1e-7)
    lists = file(tmp_path, {"text": ["a", "b", "c"], "probabilities": [[0.1, 0.2, 0.7]] * 3})
    with pytest.raises(BadInput, match="without the names of their classes"):
        shares(lists)
    numbered = TaskCard(**{**vars(CARD), "labels": ("0", "1", "2")})
    np.testing.assert_allclose(shares(lists, numbered)[0], [0.1, 0.2, 0.7], atol=1e-7)


def test_row_numbers_name_the_texts(tmp_path):
    columns = {"row": [9, 0, 2, 4, 7], "label": ["no", "yes", "maybe", "yes", "no"]}
    found = shares(file(tmp_path, columns, "csv")).argmax(1)
    assert found.tolist() == [2, 2, 0, 1]  # rows 4, 0, 9, 2: two answers for the text "b"
    splits = ["train", "selection", "train", "train", "validation"]
    columns = {"split": splits, "row": [9, 0, 2, 4, 0], "label": columns["label"]}
    assert shares(file(tmp_path, columns, "jsonl")).argmax(1).tolist() == [2, 2, 0, 1]


def test_a_regression_has_values_or_the_mean_of_several(tmp_path):
    card, texts = tiny_card(1), {"text": ["a", "b", "c"]}
    for columns in (
        {"value": [2.0, -1.5, 0.25]},
        {"label_1": [1.0, -1.5, 0.25], "label_2": [3.0, None, None]},
    ):
        for ending in ENDINGS:
            path = file(tmp_path, texts | columns, ending)
            found = matching.logits_for(path, card, TEXTS)
            assert found.tolist() == [[2.0], [-1.5], [0.25], [-1.5]]


def test_pairs_are_found_by_both_texts(tmp_path):
    card = TaskCard(**{**vars(CARD), "text": ("premise", "hypothesis")})
    wanted = pd.DataFrame({"text": ["a", "a"], "pair": ["b", "c"], "row": [0, 1]})
    columns = {"premise": ["a", "a"], "hypothesis": ["c", "b"], "label": ["yes", "no"]}
    assert shares(file(tmp_path, columns), card, wanted).argmax(1).tolist() == [0, 2]


def test_the_same_answer_twice_is_one_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "ROWS", 2)
    columns = {"text": ["a", "b", "c", "a"], "probability_no": [0.5, 0, 1, 0.5004]}
    columns |= {"probability_yes": [0.5, 1, 0, 0.4996], "probability_maybe": [0.0] * 4}
    assert shares(file(tmp_path, columns, "csv"))[0].tolist() == pytest.approx(
        [0.5, 0, 0.5], abs=1e-7
    )
    columns["probability_no"][3], columns["probability_yes"][3] = 0.52, 0.48
    with pytest.raises(BadInput, match="contradict each other for “a”, the second in row 4"):
        shares(file(tmp_path, columns, "csv"))


def probabilities(no: list, maybe: list, yes: list) -> dict:
    named = {"probability_no": no, "probability_maybe": maybe, "probability_yes": yes}
    return {"text": ["a", "b", "c"], **named}


ROWS = {"text": ["a", "b", "c"]}
WRONG: dict[str, tuple[dict, str]] = {
    "missing rows": (
        {"text": ["a"], "label": ["no"]},
        "no answer for 3 of 4 training texts of tiny: “b”; “c”; “b”",
    ),
    "rows of another task": (
        {"text": ["x", "y"], "label": ["no", "yes"]},
        "None of the 2 rows of answers.* is for a training text of tiny",
    ),
    "unknown label": (
        ROWS | {"label": ["no", "neutral", "yes"]},
        "labels that tiny lacks, first in row 2: 'neutral'. It has no, maybe, yes",
    ),
    "labels by number": (ROWS | {"label": ["0", "1", "2"]}, "first in row 1: '0', '1', '2'"),
    "unknown class": (
        ROWS | {"probability_no": [1.0] * 3, "probability_perhaps": [0.0] * 3},
        "answers for perhaps; tiny has no, maybe, yes",
    ),
    "classes by number": (
        ROWS | {f"probability_{n}": [1 / 3] * 3 for n in range(3)},
        r"numbers its classes \(probability_0, probability_1, probability_2\), and tiny names",
    ),
    "missing class": (
        ROWS | {"probability_no": [1.0] * 3, "probability_yes": [0.0] * 3},
        "has no probability_maybe",
    ),
    "sum": (
        probabilities([0.5, 0.5, 0.5], [0, 0.2, 0], [0.5, 0.5, 0.5]),
        "probabilities that sum to 1.2 in row 2",
    ),
    "negative": (
        probabilities([-0.1, 1, 1], [0.1, 0, 0], [1, 0, 0]),
        "a negative probability in row 1",
    ),
    "NaN": (
        probabilities([0.5, None, None], [0.5, 0, 0], [0, 0, 0]),
        "a probability that is no number in row 2 and 1 more",
    ),
    "infinite logit": (
        ROWS | {f"logit_{name}": [1.0, 2.0, float("inf")] for name in CARD.labels},
        "a logit that is not finite in row 3",
    ),
    "contradiction": (
        {"text": ["a", "b", "c", "b"], "label": ["no", "yes", "yes", "no"]},
        "contradict each other for “b”, the second in row 4",
    ),
    "row and text": (
        {"row": [4, 0, 9, 2], "text": ["a", "b", "x", "b"], "label": ["no"] * 4},
        "row 3: row number and text contradict each other. That number is “c” in tiny, here “x”",
    ),
    "no row number": ({"row": [4, 0.5], "label": ["no"] * 2}, "0.5'? for a row number in row 2"),
    "empty answer": (ROWS | {"label": ["no", "", "yes"]}, "an empty answer in row 2"),
    "no answers": (ROWS | {"comment": ["", "", ""]}, "has no answers: its columns are text, com"),
    "no texts": ({"label": ["no"]}, "does not say which texts its answers are for"),
    "2 000 classes": (
        {"text": ["a"]} | {f"probability_{n}x": [0.0] for n in range(2_000)},
        "answers for 0x, 1x, 2x and 1,997 more; tiny has no, maybe, yes",
    ),
    "10 000 labels": (
        {"text": [f"{n}" for n in range(10_000)], "label": [f"l{n}" for n in range(10_000)]},
        "first in row 1: 'l0', 'l1', 'l2' and 8,189 others",
    ),
}


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, ending: str):
    columns, message = WRONG[name]
    if name == "2 000 classes" and ending == "csv":
        header = ",".join(columns)
        path = file(tmp_path, f"{header}\n{'0,' * 2_000}0\n", ending)
    elif ending == "csv":
        path = file(tmp_path, columns, ending)
    else:
        rows = pd.DataFrame(columns).astype(object).to_dict("records")
        plain = [{k: None if v != v else v for k, v in row.items()} for row in rows]
        path = file(tmp_path, "".join(json.dumps(row) + "\n" for row in plain), ending)
    with pytest.raises(BadInput, match=message):
        shares(path)


def test_an_empty_list_of_labels_is_an_empty_answer(tmp_path):
    path = file(tmp_path, ROWS | {"labels": [["no"], [], ["yes"]]})
    with pytest.raises(BadInput, match="an empty answer in row 2"):
        shares(path)


def test_columns_are_checked_without_reading_the_rows(tmp_path):
    path = file(tmp_path, 'text,label\na,no\nb,"unclosed', "csv")
    assert matching.check(path, CARD).kind == "labels"
    with pytest.raises(BadInput, match="numbers its classes"):
        matching.check(file(tmp_path, "text,probability_0\n", "csv"), CARD)
