"""Real inspectors: responses, two clients, crashes, time limits, idling, and every bad text."""

import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsekd.errors import BadInput, Incompatible, NotFound, Unavailable
from sparsekd.inspector import client
from sparsekd.inspector.protocol import (
    AttentionRequest,
    AttentionResponse,
    AttributionRequest,
    AttributionResponse,
    PackedMask,
    PredictionRequest,
    PredictionResponse,
    SampleRequest,
    SampleResponse,
    TextsRequest,
    TextsResponse,
    TopExamplesRequest,
    TopExamplesResponse,
    TopTokensRequest,
    TopTokensResponse,
)
from sparsekd.inspector.server.serving import trim_cache
from sparsekd.models import loading
from sparsekd.runs import references, store
from sparsekd.system.processes import spawn_detached
from sparsekd.tasks import summary
from sparsekd.units.masking import Mask
from tests.inspector.conftest import SECONDS, Forked, end, pid

Names = dict[str, str]
SHAPE = (2, 2, 24)
TEXT = ("the film was very good",)


def attention(names: Names, text: str = TEXT[0], model: str = "teacher", **more: object):
    request = AttentionRequest.of(
        {"task": names["task"], "model": names[model], "texts": (text,)} | more
    )
    return client.send(request, AttentionResponse)


def masked_request(names: Names, mask: Mask | None, text: str = TEXT[0]) -> AttentionRequest:
    packed = None if mask is None else PackedMask.pack(mask)
    return AttentionRequest(task=names["task"], model=names["teacher"], texts=(text,), mask=packed)


def some_mask(seed: int) -> Mask:
    drawn = np.random.default_rng(seed)
    return Mask(drawn.random((2, 2)) < 0.5, drawn.random((2, 24)) < 0.5)


def until(condition, what: str) -> None:
    last = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < last, what
        time.sleep(0.02)


# --- responses -------------------------------------------------------------------------------


def test_attention_has_a_row_of_shares_for_every_token_of_every_head(names: Names):
    seen = attention(names)

    assert seen.tokens == ["[CLS]", "the", "film", "was", "very", "good", "[SEP]"]
    assert seen.special == [True, *[False] * 5, True]
    assert seen.attention.shape == (2, 2, 7, 7)
    np.testing.assert_allclose(seen.attention.sum(axis=3), 1, rtol=1e-5)
    assert (seen.cut, seen.unknown) == (0, 0)


@pytest.mark.parametrize("model", ["teacher", "pruned", "student"])
def test_a_prediction_is_what_the_saved_model_says_to_the_text(names: Names, model: str):
    loaded, tokenizer = loading.load_saved(store.folder(names[model]) / "model")
    with torch.no_grad():
        (expected,) = loaded(**tokenizer(*TEXT, return_tensors="pt")).logits

    request = PredictionRequest(task=names["task"], model=names[model], texts=TEXT, max_length=16)
    response = client.send(request, PredictionResponse)

    np.testing.assert_allclose(response.logits, expected, atol=1e-5)
    assert (len(response.tokens), response.cut) == (7, 0)


def test_attribution_sums_to_the_difference_within_the_shown_delta(names: Names):
    for model in ("teacher", "pruned", "student"):
        request = AttributionRequest(task=names["task"], model=names[model], texts=TEXT)
        response = client.send(request, AttributionResponse)
        assert response.values.sum() - response.delta == pytest.approx(
            response.output - response.start, abs=1e-4
        )
        assert response.target == response.logits.argmax()


def test_a_cached_response_needs_no_inspector(names: Names):
    first = attention(names, "a plot is fine")
    end()
    second = attention(names, "a plot is fine")

    assert not client.is_running()
    np.testing.assert_array_equal(first.attention, second.attention)


def test_a_pruned_teacher_shows_its_heads_where_the_dense_one_has_them(names: Names):
    mask = Mask.load(store.folder(names["pruned"]) / "mask.npz")
    seen = attention(names, model="pruned")

    np.testing.assert_array_equal(~np.isnan(seen.attention[:, :, 0, 0]), mask.heads)


def test_the_top_tokens_come_with_their_sentence(names: Names):
    request = TopTokensRequest(task=names["task"], model=names["teacher"], layer=1, top=3)
    response = client.send(request, TopTokensResponse)

    assert response.values.shape == response.rows.shape == response.positions.shape == (24, 3)
    assert (np.diff(response.values, axis=1) <= 0).all()
    assert response.tokens[str(response.rows[5, 0])][response.positions[5, 0]]


def test_the_top_examples_change_most_without_the_unit(names: Names):
    request = TopExamplesRequest(
        task=names["task"], model=names["teacher"], unit="head", layer=1, index=0, top=4
    )
    response = client.send(request, TopExamplesResponse)

    assert (np.diff(response.change) <= 0).all()
    assert response.change[0] >= response.mean
    mask = Mask.full(SHAPE)
    mask.heads[1, 0] = False
    alone = client.send(masked_request(names, mask, response.texts[0][0]), AttentionResponse)
    np.testing.assert_allclose(response.masked_logits[0], alone.logits, atol=1e-5)


def test_examples_are_drawn_by_their_seed(names: Names):
    one, same, other = (
        client.send(SampleRequest(task=names["task"], examples=3, seed=seed), SampleResponse)
        for seed in (1, 1, 2)
    )

    assert one.texts == same.texts != other.texts
    assert len(one.texts) == len(one.labels) == 3


def test_all_examples_of_a_split_come_in_the_order_of_the_data(names: Names):
    found = client.send(TextsRequest(task=names["task"], split="validation"), TextsResponse)

    frame = summary.read_splits(references.card(names["task"]))["validation"]
    assert [text for (text,) in found.texts] == list(frame["text"])
    np.testing.assert_array_equal(found.labels, frame["label"])
    with pytest.raises(NotFound, match="no split 'vlidation'"):
        client.send(TextsRequest(task=names["task"], split="vlidation"), TextsResponse)


# --- two clients -----------------------------------------------------------------------------


def test_two_clients_never_see_each_other_s_masks(names: Names):
    attention(names)
    requests = [(seed, f"{word} film is good") for word in ("the", "a") for seed in range(6)]
    with ThreadPoolExecutor(6) as clients:
        together = list(
            clients.map(
                lambda one: client.send(
                    masked_request(names, some_mask(one[0]), one[1]), AttentionResponse
                ),
                requests,
            )
        )
    whole = client.send(masked_request(names, None, "the film is good"), AttentionResponse)
    shutil.rmtree(client.cache_folder())

    for (seed, text), response in zip(requests, together, strict=True):
        alone = client.send(masked_request(names, some_mask(seed), text), AttentionResponse)
        np.testing.assert_array_equal(response.logits, alone.logits)
    assert len({float(response.logits[0]) for response in together}) > 6
    again = client.send(masked_request(names, None, "the film is good"), AttentionResponse)
    np.testing.assert_array_equal(whole.logits, again.logits)


# --- processes -------------------------------------------------------------------------------


def test_a_killed_inspector_is_replaced(names: Names, monkeypatch: pytest.MonkeyPatch):
    end()
    with monkeypatch.context() as patch:
        patch.setattr(client, "spawn_detached", spawn_detached)  # a real one, as users have it
        attention(names, "a film was good")
    before = pid()
    end(signal.SIGKILL)
    seen = attention(names, "a film was dull")

    assert seen.tokens[1:-1] == ["a", "film", "was", "dull"]
    assert pid() != before


def test_a_second_death_over_one_request_is_an_error(names: Names, monkeypatch: pytest.MonkeyPatch):
    class Dying:
        """A connection to an inspector that ends."""

        def __enter__(self) -> "Dying":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def send_bytes(self, _: bytes) -> None:
            return None

        def poll(self, _: float) -> bool:
            return True

        def recv_bytes(self) -> bytes:
            raise EOFError

    met: list[Dying] = []
    monkeypatch.setattr(client, "_connect_or_start", lambda on_wait: met.append(Dying()) or met[-1])
    with pytest.raises(Unavailable, match="2 times"):
        attention(names, "a plot was dull")
    assert len(met) == 2


def test_a_waiting_client_gets_the_status_and_may_give_up(names: Names):
    end()
    statuses: list[str] = []

    def leave(status: str) -> None:
        statuses.append(status)
        raise KeyboardInterrupt

    request = AttentionRequest(task=names["task"], model=names["teacher"], texts=("he said that",))
    with pytest.raises(KeyboardInterrupt):
        client.send(request, AttentionResponse, leave)
    assert statuses == ["Starting the inspector"]
    until(
        lambda: client.address_path().exists(), "the started inspector never published its address"
    )


def test_an_idle_inspector_exits(names: Names):
    end()
    process = Forked(client.log_path(), "--idle", "0.2")

    assert process.wait(SECONDS) == 0
    assert not client.address_path().exists()
    assert not client.is_running()


def test_only_one_inspector_serves_a_store(names: Names):
    end()
    first = Forked(client.log_path())
    until(lambda: client.address_path().exists(), "no address")

    assert Forked(client.log_path()).wait(SECONDS) == 0
    assert pid() == first.pid
    end()
    first.wait(SECONDS)


def test_a_request_over_the_time_limit_is_refused_and_the_next_is_served(names: Names):
    end()
    process = Forked(client.log_path(), "--limit", "0.001")
    until(lambda: client.address_path().exists(), "no address")
    request = TopExamplesRequest(
        task=names["task"], model=names["teacher"], unit="neuron", layer=0, index=7
    )
    try:
        with pytest.raises(Unavailable, match=r"longer than 0\.001 seconds"):
            client.send(request, TopExamplesResponse)
        assert process.poll() is None
    finally:
        end()
        process.wait(SECONDS)
    assert client.send(request, TopExamplesResponse).examples > 10


def test_an_invalid_request_is_refused_and_the_inspector_stays(names: Names):
    attention(names, "she said that")
    before = pid()
    for words in (b"[1]", b"{", b'{"kind": "attentoin"}', b'{"kind": "sample", "task": ""}'):
        with client._connect() as connection:
            connection.send_bytes(words)
            assert connection.poll(SECONDS)
            assert "error" in json.loads(connection.recv_bytes())
    assert pid() == before


def test_the_oldest_responses_are_deleted_first(names: Names, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    client.cache_folder().mkdir(parents=True)
    for age, name in enumerate(("new", "old", "oldest")):
        file = client.cache_folder() / f"{name}.npz"
        file.write_bytes(b"x" * 100)
        os.utime(file, (1e9 - age, 1e9 - age))
    trim_cache(250)

    assert {file.stem for file in client.cache_folder().iterdir()} == {"new", "old"}


# --- bad input -------------------------------------------------------------------------------


def test_ten_thousand_words_are_cut_and_counted(names: Names):
    seen = attention(names, "very " * 10_000)

    assert len(seen.tokens) == 64  # as many as the model has positions for
    assert seen.cut == 10_002 - 64


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_text_is_refused(names: Names, text: str):
    with pytest.raises(BadInput, match="empty"):
        attention(names, text)


def test_unknown_words_are_counted(names: Names):
    seen = attention(names, "qwertz uiop")

    assert seen.unknown == 2
    assert seen.special == [True, False, False, True]


@pytest.mark.parametrize(
    "text",
    ["سلام דנ", "🙂🙃 ok", "<script>alert(1)</script>", "**x** [y](z) $a$", "a\x00b"],
)
def test_any_text_is_read(names: Names, text: str):
    seen = attention(names, text)

    assert len(seen.tokens) == seen.attention.shape[2]
    assert np.isfinite(seen.attention).all()


@pytest.mark.parametrize("text", ["x" * 200_001, "half a character: \ud83d"])
def test_an_invalid_text_is_refused_before_it_is_sent(names: Names, text: str):
    with pytest.raises(BadInput, match="texts"):
        attention(names, text)


def test_units_that_do_not_exist_are_refused(names: Names):
    values = {"task": names["task"], "model": names["teacher"], "unit": "head"}
    with pytest.raises(NotFound, match="no layer 3"):
        client.send(TopExamplesRequest(**values, layer=2, index=0), TopExamplesResponse)
    with pytest.raises(NotFound, match="no head 3 in layer 1"):
        client.send(TopExamplesRequest(**values, layer=0, index=2), TopExamplesResponse)
    with pytest.raises(NotFound, match="no class 2"):
        request = AttributionRequest(
            task=names["task"], model=names["teacher"], texts=TEXT, target=2
        )
        client.send(request, AttributionResponse)


def test_a_mask_of_another_shape_is_refused(names: Names):
    with pytest.raises(Incompatible, match="mask has heads"):
        client.send(masked_request(names, Mask.full((2, 3, 24))), AttentionResponse)


def test_two_texts_for_a_task_of_one_are_refused(names: Names):
    request = AttentionRequest(task=names["task"], model=names["teacher"], texts=("a", "b"))
    with pytest.raises(BadInput, match="takes 1 text, not 2"):
        client.send(request, AttentionResponse)


def test_deleted_model_files_are_an_error_even_where_the_response_is_cached(
    names: Names, tmp_path: Path
):
    attention(names, model="student")
    model = store.folder(names["student"]) / "model"
    model.rename(tmp_path / "away")
    try:
        with pytest.raises(NotFound, match="is gone"):
            attention(names, model="student")
        with pytest.raises(NotFound, match="no run"):
            attention(names | {"student": "ffffffffffff"}, model="student")
    finally:
        (tmp_path / "away").rename(model)
    assert attention(names, model="student").attention.shape[0] == 1


def test_a_response_type_of_another_request_is_a_bug(names: Names):
    with pytest.raises(TypeError):
        client.send(SampleRequest(task=names["task"]), AttentionResponse)
