"""Real inspectors: answers, two visitors, deaths, limits, leaving, and every bad text."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sparsekd.errors import BadInput, Incompatible, NotFound, Unavailable
from sparsekd.inspector import client
from sparsekd.inspector.protocol import (
    Activated,
    Attended,
    Attention,
    Attributed,
    Attribution,
    Closed,
    Drawn,
    Examples,
    Strongest,
    Weighed,
    Weightiest,
)
from sparsekd.inspector.server.serving import forget
from sparsekd.runs import store
from sparsekd.units.masking import Mask
from tests.inspector.conftest import SECONDS, end, pid

Names = dict[str, str]
SHAPE = (2, 2, 24)
TEXT = ("the film was very good",)


def attention(names: Names, text: str = TEXT[0], model: str = "teacher", **more: object):
    question = Attention.of({"task": names["task"], "model": names[model], "texts": (text,)} | more)
    return client.ask(question, Attended)


def seen(names: Names, mask: Mask | None, text: str = TEXT[0]) -> Attention:
    closed = None if mask is None else Closed.of_mask(mask)
    return Attention(task=names["task"], model=names["teacher"], texts=(text,), closed=closed)


def some_mask(seed: int) -> Mask:
    drawn = np.random.default_rng(seed)
    return Mask(drawn.random((2, 2)) < 0.5, drawn.random((2, 24)) < 0.5)


def until(condition, what: str) -> None:
    last = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < last, what
        time.sleep(0.02)


# --- answers ---------------------------------------------------------------------------------


def test_attention_has_a_row_of_shares_for_every_token_of_every_head(names: Names):
    seen = attention(names)

    assert seen.tokens == ["[CLS]", "the", "film", "was", "very", "good", "[SEP]"]
    assert seen.special == [True, *[False] * 5, True]
    assert seen.attention.shape == (2, 2, 7, 7)
    np.testing.assert_allclose(seen.attention.sum(axis=3), 1, rtol=1e-5)
    assert (seen.cut, seen.unknown) == (0, 0)


def test_attribution_sums_to_the_difference_within_the_shown_delta(names: Names):
    for model in ("teacher", "pruned", "student"):
        question = Attribution(task=names["task"], model=names[model], texts=TEXT)
        told = client.ask(question, Attributed)
        assert told.values.sum() - told.delta == pytest.approx(told.output - told.start, abs=1e-4)
        assert told.target == told.logits.argmax()


def test_a_kept_answer_needs_no_inspector(names: Names):
    first = attention(names, "a plot is fine")
    end()
    second = attention(names, "a plot is fine")

    assert not client.alive()
    np.testing.assert_array_equal(first.attention, second.attention)


def test_a_pruned_teacher_shows_its_heads_where_the_dense_one_has_them(names: Names):
    mask = Mask.load(store.folder(names["pruned"]) / "mask.npz")
    seen = attention(names, model="pruned")

    np.testing.assert_array_equal(~np.isnan(seen.attention[:, :, 0, 0]), mask.heads)


def test_the_strongest_tokens_are_named_with_their_sentence(names: Names):
    question = Strongest(task=names["task"], model=names["teacher"], layer=1, most=3)
    told = client.ask(question, Activated)

    assert told.values.shape == told.rows.shape == told.places.shape == (24, 3)
    assert (np.diff(told.values, axis=1) <= 0).all()
    assert told.read[str(told.rows[5, 0])][told.places[5, 0]]


def test_the_weightiest_examples_change_most_without_the_unit(names: Names):
    question = Weightiest(
        task=names["task"], model=names["teacher"], unit="head", layer=1, index=0, most=4
    )
    told = client.ask(question, Weighed)

    assert (np.diff(told.change) <= 0).all()
    assert told.change[0] >= told.mean
    mask = Mask.full(SHAPE)
    mask.heads[1, 0] = False
    alone = client.ask(seen(names, mask, told.texts[0][0]), Attended)
    np.testing.assert_allclose(told.without[0], alone.logits, atol=1e-5)


def test_examples_are_drawn_by_their_seed(names: Names):
    one, same, other = (
        client.ask(Drawn(task=names["task"], examples=3, seed=seed), Examples) for seed in (1, 1, 2)
    )

    assert one.texts == same.texts != other.texts
    assert len(one.texts) == len(one.labels) == 3


# --- two visitors ----------------------------------------------------------------------------


def test_two_visitors_never_see_each_other_s_masks(names: Names):
    attention(names)
    asked = [(seed, f"{word} film is good") for word in ("the", "a") for seed in range(6)]
    with ThreadPoolExecutor(6) as visitors:
        together = list(
            visitors.map(
                lambda one: client.ask(seen(names, some_mask(one[0]), one[1]), Attended),
                asked,
            )
        )
    whole = client.ask(seen(names, None, "the film is good"), Attended)
    shutil.rmtree(client.answers())

    for (seed, text), told in zip(asked, together, strict=True):
        alone = client.ask(seen(names, some_mask(seed), text), Attended)
        np.testing.assert_array_equal(told.logits, alone.logits)
    assert len({float(told.logits[0]) for told in together}) > 6
    again = client.ask(seen(names, None, "the film is good"), Attended)
    np.testing.assert_array_equal(whole.logits, again.logits)


# --- a life ----------------------------------------------------------------------------------


def test_a_killed_inspector_is_replaced(names: Names):
    attention(names, "a film was good")
    before = pid()
    end(signal.SIGKILL)
    seen = attention(names, "a film was dull")

    assert seen.tokens[1:-1] == ["a", "film", "was", "dull"]
    assert pid() != before


def test_a_second_death_over_one_question_is_told(names: Names, monkeypatch: pytest.MonkeyPatch):
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
    monkeypatch.setattr(client, "_reached", lambda waiting: met.append(Dying()) or met[-1])
    with pytest.raises(Unavailable, match="2 times"):
        attention(names, "a plot was dull")
    assert len(met) == 2


def test_who_waits_hears_of_it_and_may_leave(names: Names):
    end()
    heard: list[str] = []

    def leave(words: str) -> None:
        heard.append(words)
        raise KeyboardInterrupt

    question = Attention(task=names["task"], model=names["teacher"], texts=("he said that",))
    with pytest.raises(KeyboardInterrupt):
        client.ask(question, Attended, leave)
    assert heard == ["Starting the inspector"]
    until(lambda: client.address().exists(), "the inspector that was started does not come")


def serve(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "sparsekd.inspector", *words],
        cwd=Path(client.__file__).parents[2], stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_it_leaves_when_nobody_asks(names: Names):
    end()
    process = serve("--idle", "0.2")

    assert process.wait(SECONDS) == 0
    assert not client.address().exists()
    assert not client.alive()


def test_only_one_serves_a_store(names: Names):
    end()
    first = serve()
    until(lambda: client.address().exists(), "no address")

    assert serve().wait(SECONDS) == 0
    assert pid() == first.pid
    end()
    first.wait(SECONDS)


def test_an_answer_that_takes_too_long_is_refused_and_the_next_is_given(names: Names):
    end()
    process = serve("--limit", "0.001")
    until(lambda: client.address().exists(), "no address")
    question = Weightiest(
        task=names["task"], model=names["teacher"], unit="neuron", layer=0, index=7
    )
    try:
        with pytest.raises(Unavailable, match=r"longer than 0\.001 seconds"):
            client.ask(question, Weighed)
        assert process.poll() is None
    finally:
        end()
        process.wait(SECONDS)
    assert client.ask(question, Weighed).examples > 10


def test_a_question_that_is_none_is_refused_and_the_inspector_stays(names: Names):
    attention(names, "she said that")
    before = pid()
    for words in (b"[1]", b"{", b'{"kind": "attentoin"}', b'{"kind": "drawn", "task": ""}'):
        with client._connected() as connection:
            connection.send_bytes(words)
            assert connection.poll(SECONDS)
            assert "error" in json.loads(connection.recv_bytes())
    assert pid() == before


def test_old_answers_are_forgotten_first(names: Names, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    client.answers().mkdir(parents=True)
    for age, name in enumerate(("new", "old", "oldest")):
        file = client.answers() / f"{name}.npz"
        file.write_bytes(b"x" * 100)
        os.utime(file, (1e9 - age, 1e9 - age))
    forget(250)

    assert {file.stem for file in client.answers().iterdir()} == {"new", "old"}


# --- bad input -------------------------------------------------------------------------------


def test_ten_thousand_words_are_cut_and_it_is_said(names: Names):
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
def test_what_is_no_text_is_refused_before_it_is_sent(names: Names, text: str):
    with pytest.raises(BadInput, match="texts"):
        attention(names, text)


def test_units_that_do_not_exist_are_refused(names: Names):
    asked = {"task": names["task"], "model": names["teacher"], "unit": "head"}
    with pytest.raises(NotFound, match="no layer 3"):
        client.ask(Weightiest(**asked, layer=2, index=0), Weighed)
    with pytest.raises(NotFound, match="no head 3 in layer 1"):
        client.ask(Weightiest(**asked, layer=0, index=2), Weighed)
    with pytest.raises(NotFound, match="no class 2"):
        question = Attribution(task=names["task"], model=names["teacher"], texts=TEXT, target=2)
        client.ask(question, Attributed)


def test_a_mask_of_another_shape_is_refused(names: Names):
    with pytest.raises(Incompatible, match="mask has heads"):
        client.ask(seen(names, Mask.full((2, 3, 24))), Attended)


def test_two_texts_for_a_task_of_one_are_refused(names: Names):
    question = Attention(task=names["task"], model=names["teacher"], texts=("a", "b"))
    with pytest.raises(BadInput, match="reads 1"):
        client.ask(question, Attended)


def test_a_model_whose_files_were_deleted_is_told_even_where_its_answer_is_kept(
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


def test_asking_for_the_wrong_kind_of_answer_is_a_bug(names: Names):
    with pytest.raises(TypeError):
        client.ask(Drawn(task=names["task"]), Attended)
