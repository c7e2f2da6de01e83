"""Answers of several labels for each text: each label has a probability of its own."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sparsekd.errors import BadInput
from sparsekd.tasks.answers import writing
from sparsekd.tasks.answers.matching import logits_for
from tests.tiny_data import several_card

CARD = several_card()
LOGITS = np.array([[2.0, -1.0, 0.5], [-3.0, -1.0, -2.0], [1.0, 4.0, -0.25]], dtype=np.float32)
WANTED = pd.DataFrame({"text": ["one", "two", "three"], "row": [0, 1, 2]})


def file_of(place: Path, columns: dict[str, Any], kind: str = "jsonl") -> Path:
    frame = pd.DataFrame({"text": WANTED["text"]} | columns)
    path = place / f"answers.{kind}"
    writing.write_file(path, [frame])
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_written_logits_are_read_back_bit_for_bit(tmp_path: Path, kind: str) -> None:
    frame = writing.answers_frame(WANTED[["text"]], LOGITS, CARD.labels, True, "labels")
    writing.write_file(tmp_path / f"answers.{kind}", [frame])

    assert frame["labels"].tolist() == [["a", "c"], [], ["a", "b"]]
    shares = frame[["probability_a", "probability_b", "probability_c"]].to_numpy()
    np.testing.assert_allclose(shares, 1 / (1 + np.exp(-LOGITS)), rtol=1e-6)
    assert (logits_for(tmp_path / f"answers.{kind}", CARD, WANTED) == LOGITS).all()


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_probabilities_need_no_sum_and_become_log_odds(tmp_path: Path, kind: str) -> None:
    given = {"probability_c": [0.9, 0.0, 0.5], "probability_a": [0.8, 1.0, 0.5]}
    path = file_of(tmp_path, given | {"probability_b": [0.7, 0.25, 0.5]}, kind)

    found = logits_for(path, CARD, WANTED)
    assert found[0].tolist() == pytest.approx([math.log(4), math.log(7 / 3), math.log(9)])
    assert found[1].tolist() == pytest.approx([math.log(1e8), -math.log(3), -math.log(1e8)])
    assert found[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_list_of_labels_is_an_answer_and_an_empty_one_too(tmp_path: Path, kind: str) -> None:
    path = file_of(tmp_path, {"labels": [["c", "a"], [], ["b"]]}, kind)

    found = logits_for(path, CARD, WANTED)
    assert (found > 0).tolist() == [[True, False, True], [False] * 3, [False, True, False]]
    np.testing.assert_allclose(np.abs(found), math.log(1e8), rtol=1e-5)


FAULTS = [
    ({"labels": [["a"], ["d"], []]}, "labels that tiny lacks, first in row 2: 'd'"),
    ({"labels": [["a"], ["a", "a"], []]}, "one label twice in row 2"),
    ({"labels": [["a"], [""], []]}, "a label without a name in row 2"),
    ({"labels": [["a"], None, []]}, "no answer in row 2"),
    ({"label": ["a", "b", "c"]}, "no answers for several labels"),
    ({f"probability_{name}": [0.5, 1.5, 0] for name in "abc"}, "a probability above 1 in row 2"),
    ({f"probability_{name}": [0.5, -0.5, 0] for name in "abc"}, "a negative probability in row 2"),
]


@pytest.mark.parametrize(("columns", "reason"), FAULTS)
def test_answers_that_are_no_labels_are_refused(
    tmp_path: Path, columns: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        logits_for(file_of(tmp_path, columns), CARD, WANTED)


def test_csv_has_lists_as_json(tmp_path: Path) -> None:
    path = file_of(tmp_path, {"labels": [["é, x", "a"], [], ["b"]]}, "csv")
    cell = pd.read_csv(path)["labels"][0]
    assert json.loads(cell) == ["é, x", "a"]
