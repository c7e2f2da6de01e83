"""Responses of the inspector as tables, from arrays written by hand."""

from dataclasses import replace

import numpy as np
import pytest

from sparsekd.inspector import response_tables
from sparsekd.inspector.protocol import AttributionResponse, TopTokensResponse
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
