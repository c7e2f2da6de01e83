"""Responses of the inspector as tables, from arrays written by hand."""

from dataclasses import replace

import numpy as np
import pytest

from sparsekd.inspector import response_tables
from sparsekd.inspector.protocol import (
    AttributionResponse,
    PredictionResponse,
    TopTokensResponse,
)
from sparsekd.tasks import TASKS

TOKENS = ["[CLS]", "a", "dull", "[SEP]"]
CARD = replace(TASKS["demo/sentiment"], labels=("bad", "good"))


def attributed(values: list[float], tokens: list[str] = TOKENS) -> AttributionResponse:
    special = [True, False, False, True]
    logits = np.log(np.array([0.9, 0.1], dtype=np.float32))
    return AttributionResponse(
        tokens, special, 0, 0, np.array(values), logits, 0, 2.0, 0.5, 0.01, 16
    )


def test_attention_has_a_row_for_each_attending_token():
    table = response_tables.attention(np.eye(4, dtype=np.float32), TOKENS)

    assert table["from"].tolist() == ["1 [CLS]", "2 a", "3 dull", "4 [SEP]"]
    assert table.iloc[:, 1:].to_numpy().tolist() == np.eye(4).tolist()


def test_the_tokens_of_a_neuron_stand_in_their_text():
    response = TopTokensResponse(
        values=np.array([[0.0, 0.0], [3.0, 1.0]], dtype=np.float32),
        rows=np.array([[0, 0], [7, 7]]),
        positions=np.array([[0, 0], [1, 2]]),
        tokens={"0": ["x"], "7": ["[CLS]", "play", "##ing"]},
        examples=256,
    )

    table = response_tables.top_tokens(response, 1)

    assert table.to_dict("list") == {
        "activation": [3.0, 1.0],
        "token": ["play", "##ing"],
        "in its text": ["[CLS] ⟦play⟧ing", "[CLS] play⟦ing⟧"],
    }


def test_the_largest_contribution_is_a_word_s_of_either_sign():
    assert response_tables.largest(attributed([9.0, 0.5, -1.5, 9.0])) == ("dull", -1.5)


def test_models_that_read_the_same_tokens_are_grouped():
    found = {
        "one": attributed([1, 2, 3, 4]),
        "other": attributed([1, 2, 3, 4], ["[CLS]", "b", "dull", "[SEP]"]),
        "third": attributed([5, 6, 7, 8]),
    }

    groups = response_tables.by_tokens(found)

    assert [list(group) for group in groups] == [["one", "third"], ["other"]]
    assert response_tables.contributions(groups[0]).tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]]
    assert response_tables.token_contributions(groups[0])["third"].tolist() == [5, 6, 7, 8]


def test_each_model_has_its_prediction_and_its_delta():
    row = response_tables.outputs(CARD, {"teacher": attributed([0.0, 0.5, 1.0, 0.0])}).iloc[0]

    assert (row["model"], row["prediction"], row["sum of tokens"]) == ("teacher", "bad", 1.5)
    assert row["p(bad)"] == pytest.approx(0.9)
    assert (row["output"], row["words masked"], row["delta"], row["steps"]) == (2, 0.5, 0.01, 16)


def answered(logits: list[float], cut: int = 0) -> PredictionResponse:
    special = [True, False, False, True]
    return PredictionResponse(TOKENS, special, cut, 0, np.array(logits, dtype=np.float32))


def test_a_temperature_divides_the_logits_and_changes_no_prediction():
    found = {"teacher": answered([0.0, np.log(9)]), "student": answered([np.log(4), 0.0])}

    table = response_tables.predictions(CARD, found, 2.0)

    assert table["model"].tolist() == ["teacher", "student"]
    assert table["prediction"].tolist() == ["good", "bad"]
    np.testing.assert_allclose(table["p(good)"], [3 / 4, 1 / 3], rtol=1e-6)  # √9 : 1 and 1 : √4
    np.testing.assert_allclose(table["p(bad)"] + table["p(good)"], 1)


def test_of_many_classes_those_likeliest_to_some_model_are_shown():
    card = replace(CARD, labels=tuple(f"c{number}" for number in range(40)))
    one, other = np.arange(40.0), np.zeros(40)
    other[3] = 50.0

    table = response_tables.predictions(card, {"one": answered(one), "other": answered(other)})

    shown = list(table.columns[2:])
    assert len(shown) == response_tables.SHOWN
    assert shown[0] == "p(c3)"
    assert shown[-1] == "p(c39)"


def test_a_number_has_no_probabilities():
    card = replace(CARD, labels=())
    table = response_tables.predictions(card, {"teacher": answered([2.5])}, 3.0)
    assert table.to_dict("list") == {"model": ["teacher"], "prediction": ["2.50"]}


def test_models_that_read_a_part_of_the_text_are_named_with_its_length():
    found = {"one": answered([0, 1], 6), "two": answered([0, 1]), "three": answered([0, 1], 6)}
    assert response_tables.shortened(found) == {(4, 10): ["one", "three"]}


def test_several_labels_have_a_probability_each():
    card = replace(CARD, multilabel=True)
    table = response_tables.predictions(card, {"teacher": answered([np.log(9), np.log(4)])}, 2.0)
    assert table["prediction"].tolist() == ["bad, good"]
    np.testing.assert_allclose(table[["p(bad)", "p(good)"]].to_numpy(), [[3 / 4, 2 / 3]], rtol=1e-6)
